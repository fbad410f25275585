"""The emoji with which one can react (Bot API, "ReactionTypeEmoji"), as Telegram spells them."""

_FACES = (
    "🥰 😁 🤔 🤯 😱 🤬 😢 🤩 🤮 🤡 🥱 🥴 😍 🌚 🤣 🤨 😐 😈 😴 😭 🤓 👻 🙈 😇 😨 🤗 🫡 🎅 🤪 🗿 🙉 🦄 😘 🙊 😎 👾 😡"
)
_HANDS = "👍 👎 👏 🙏 👌 🖕 🤝 ✍ 💅 🤷‍♂ 🤷 🤷‍♀"
_HEARTS = "❤ ❤‍🔥 💔 💘 💋"
_THINGS = "🔥 🎉 💩 🕊 🐳 🌭 💯 ⚡ 🍌 🏆 🍓 🍾 👨‍💻 👀 🎃 🎄 ☃ 🆒 💊"

EMOJI = frozenset(emoji for group in (_FACES, _HANDS, _HEARTS, _THINGS) for emoji in group.split())
