// One customer's card: the thread, the offered answers, the composer. It knows no channel; a line sends for it.

const template = document.getElementById("card");
const ONE = "M1.5 6.3l3 3 6-6.8";
const TWO = `${ONE}M7.6 8.6l.7.7 6-6.8`;
const CLOCK = "M8 1.2a4.8 4.8 0 1 0 0 9.6a4.8 4.8 0 0 0 0-9.6zM8 3.4V6l1.8 1.2";
const MARKS = {
  posted: [ONE, "sent"],
  accepted: [TWO, "accepted"],
  queued: [CLOCK, "queued"],
  sent: [ONE, "sent"],
  delivered: [TWO, "delivered"],
  read: [TWO, "read"],
};
const NEAR_END_PX = 60;
const TYPING_MS = 8000;
const KEYS = "123456789*0#";
const KEY_NAMES = { "*": "star", "#": "hash" };
const PLACE = { latitude: 52.0907, longitude: 5.1214, label: "Dom Tower", address: "Domplein 29, Utrecht" };

export class Card {
  /**
   * `line` has: kind, name (of the channel, for its colour), channel, title, detail, what it can (pictures, places, calls, longest), and
   * send({text | choice | location | picture | digits | hang_up}), false if not taken.
   */
  constructor(name, line, onClose) {
    this.line = line;
    this.root = template.content.firstElementChild.cloneNode(true);
    this.bubbles = new Map();
    this.lastAsked = null;
    this.atEnd = true;
    this.#find();
    this.#label(name);
    this.#listen(onClose);
    this.#followEnd();
  }

  #find() {
    const part = (selector) => this.root.querySelector(selector);
    this.thread = part(".thread");
    this.choices = part(".choices");
    this.composer = part(".composer");
    this.text = part("textarea");
    this.typist = part(".typing");
    this.keypad = part(".keypad");
    this.keys = part(".keys");
    this.call = part(".call");
  }

  #label(name) {
    const part = (selector) => this.root.querySelector(selector);
    this.root.classList.add(this.line.kind);
    this.root.dataset.channel = this.line.name ?? this.line.kind;
    this.root.setAttribute("aria-label", `${name}, ${this.line.title}`);
    part(".face").textContent = initials(name);
    part(".name").textContent = name;
    part(".line").textContent = `${this.line.channel} with ${this.line.title}`;
    part(".line").title = this.line.detail;
    part(".close").setAttribute("aria-label", `Remove ${name}`);
    part(".picture").hidden = !this.line.pictures;
    part(".place").hidden = this.line.places === false;
    this.keys.hidden = this.call.hidden = !this.line.calls;
    if (this.line.longest) this.text.maxLength = this.line.longest;
    if (this.line.calls) this.text.placeholder = "Say something";
    this.typist.textContent = `${this.line.title} is typing…`;
    this.text.setAttribute("aria-label", `Message of ${name}`);
    this.thread.setAttribute("aria-label", `Conversation of ${name}`);
  }

  #listen(onClose) {
    this.root.querySelector(".close").addEventListener("click", onClose);
    this.root.querySelector(".place").addEventListener("click", () => this.line.send({ location: PLACE }));
    this.root.querySelector(".picture").addEventListener("click", () => this.line.send({ picture: true }));
    this.text.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
        event.preventDefault();
        this.composer.requestSubmit();
      }
    });
    this.call.addEventListener("click", () => this.line.send(this.inCall ? { hang_up: true } : {}));
    this.keys.addEventListener("click", () => this.#showKeypad(this.keypad.hidden));
    this.keypad.append(...[...KEYS].map((key) => this.#key(key)));
    this.composer.addEventListener("submit", async (event) => {
      event.preventDefault();
      const text = this.text.value;
      if (!text.trim()) return;
      this.text.value = "";
      if (!(await this.line.send({ text })) && !this.text.value) this.text.value = text;
    });
  }

  #key(key) {
    const button = element("button", "", key);
    button.type = "button";
    button.setAttribute("aria-label", KEY_NAMES[key] ?? key);
    button.addEventListener("click", () => this.line.send({ digits: key }));
    return button;
  }

  #showKeypad(open) {
    this.keypad.hidden = !open;
    this.keys.setAttribute("aria-expanded", String(open));
  }

  /** Who reads the end goes on reading the end, whatever changes the thread's size; who scrolled up is left alone. */
  #followEnd() {
    this.thread.addEventListener("scroll", () => {
      const below = this.thread.scrollHeight - this.thread.scrollTop - this.thread.clientHeight;
      this.atEnd = below < NEAR_END_PX;
    });
    new ResizeObserver(() => this.#toEnd()).observe(this.thread);
  }

  /** Show a message {id, mine, text, by, at (ms), place, pictures, files, choices, status}, or change the one of that id. */
  show(message) {
    const known = this.bubbles.get(message.id);
    const bubble = known ?? element("div");
    const reactions = bubble.querySelectorAll(".reaction");
    bubble.replaceChildren(...this.#content(message), ...reactions);
    if (!message.mine) this.typing(false);
    bubble.className = `bubble${message.mine ? " mine" : ""}`;
    this.bubbles.set(message.id, bubble);
    this.mark(message.id, message.status, message.why);
    if (known) return;
    this.thread.append(bubble);
    this.#offer(message);
    this.atEnd ||= Boolean(message.mine);
    this.#toEnd();
  }

  #content(message) {
    const parts = [];
    if (message.by) parts.push(element("span", "by", message.by));
    else parts.push(element("span", "hidden", message.mine ? "You: " : `${this.line.title}: `));
    for (const address of message.pictures ?? []) parts.push(this.#picture(address));
    for (const address of message.files ?? []) parts.push(file(address));
    if (message.place) parts.push(place(message.place));
    if (message.text) parts.push(element("p", "words", message.text));
    parts.push(this.#meta(message));
    return parts;
  }

  #picture(address) {
    const shown = element("img");
    shown.alt = "picture";
    shown.src = address;
    shown.addEventListener("load", () => this.#toEnd());
    shown.addEventListener("error", () => shown.replaceWith(file(address)));
    return shown;
  }

  #meta(message) {
    const meta = element("span", "meta");
    if (message.mine) this.lastAsked = message.at;
    else if (this.lastAsked !== null && !message.by) {
      const took = element("span", "took", `after ${duration(message.at - this.lastAsked)}`);
      took.title = "from the customer's message to this answer";
      meta.append(took);
      this.lastAsked = null;
    }
    const time = new Date(message.at).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
    meta.append(element("time", "", time), element("span", "ticks"));
    return meta;
  }

  /** The state of a message: one of MARKS, or "failed" with the reason. */
  mark(id, status, why = "") {
    const bubble = this.bubbles.get(id);
    const ticks = bubble?.querySelector(".ticks");
    if (!ticks || !(status === "failed" || status in MARKS)) return;
    const failed = status === "failed";
    bubble.classList.toggle("failed", failed);
    ticks.className = `ticks ${failed ? "why" : status}`;
    ticks.title = failed ? "" : MARKS[status][1];
    ticks.replaceChildren(failed ? `not delivered${why ? `: ${why}` : ""}` : drawn(...MARKS[status]));
  }

  /** New words for a message that is there; for one that is not, a message of its own. */
  edit(id, message) {
    const words = this.bubbles.get(id)?.querySelector(".words");
    if (!words) {
      this.show(message);
      return;
    }
    words.textContent = message.text;
    const meta = words.closest(".bubble").querySelector(".meta");
    if (!meta.querySelector(".edited")) meta.prepend(element("span", "edited", "edited"));
  }

  remove(id) {
    const bubble = this.bubbles.get(id);
    if (!bubble) return;
    bubble.classList.add("deleted");
    bubble.replaceChildren(element("p", "", "This message was deleted."));
    this.choices.replaceChildren();
  }

  /** One reaction of each side; without an emoji it is taken back. */
  react(id, emoji, mine) {
    const bubble = this.bubbles.get(id);
    const whose = mine ? "yours" : "theirs";
    bubble?.querySelector(`.reaction.${whose}`)?.remove();
    if (!emoji) return;
    if (!bubble) {
      this.note(`${mine ? "You" : this.line.title} reacted with ${emoji}`);
      return;
    }
    const badge = element("span", `reaction ${whose}`, emoji);
    badge.title = `${emoji}, ${mine ? "your reaction" : `reaction of ${this.line.title}`}`;
    badge.setAttribute("role", "img");
    badge.setAttribute("aria-label", badge.title);
    bubble.append(badge);
    this.#toEnd();
  }

  /** Until a message comes, or for some seconds. */
  typing(on) {
    clearTimeout(this.typingEnds);
    this.typist.hidden = !on;
    if (on) this.typingEnds = setTimeout(() => this.typing(false), TYPING_MS);
  }

  /** Whether there is a call: the one button begins and ends it. */
  calling(on) {
    this.inCall = on;
    this.call.classList.toggle("going", on);
    this.call.title = on ? "Hang up" : "Call";
    this.call.setAttribute("aria-label", this.call.title);
    if (!on) this.choices.replaceChildren();
  }

  note(text) {
    this.thread.append(element("p", "note", text));
    this.#toEnd();
  }

  #offer(message) {
    const buttons = (message.mine ? [] : message.choices ?? []).map((choice) => {
      const button = element("button", "", choice.title);
      button.type = "button";
      button.title = choice.hint ?? "";
      button.addEventListener("click", () => this.#choose(choice, buttons));
      return button;
    });
    this.choices.replaceChildren(...buttons);
  }

  async #choose(choice, offered) {
    this.choices.replaceChildren();
    // On a touch screen the focus would bring up the keyboard.
    if (window.matchMedia("(pointer: fine)").matches) this.text.focus();
    if (!(await this.line.send(choice.says))) this.choices.replaceChildren(...offered);
  }

  #toEnd() {
    if (this.atEnd) this.thread.scrollTop = this.thread.scrollHeight;
  }
}

function element(name, className, text = "") {
  const made = document.createElement(name);
  if (className) made.className = className;
  made.textContent = text;
  return made;
}

function drawn(path, words) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  const line = document.createElementNS(svg.namespaceURI, "path");
  const facts = { viewBox: "0 0 16 12", width: 16, height: 12, role: "img", "aria-label": words };
  for (const [name, value] of Object.entries(facts)) svg.setAttribute(name, value);
  line.setAttribute("d", path);
  svg.append(line);
  return svg;
}

/** A link, if one can be followed. */
function file(address) {
  const shown = element("p", "file");
  if (!/^https?:/.test(address)) {
    shown.textContent = `📎 ${address}`;
    return shown;
  }
  const link = element("a", "", nameOf(address) || address);
  Object.assign(link, { href: address, target: "_blank", rel: "noopener" });
  shown.append("📎 ", link);
  return shown;
}

function nameOf(address) {
  const last = new URL(address).pathname.split("/").pop();
  try {
    return decodeURIComponent(last);
  } catch {
    return last;
  }
}

function place({ latitude, longitude, label, address }) {
  const words = [label, address].filter(Boolean).join(", ") || `${latitude}, ${longitude}`;
  return element("p", "", `📍 ${words}`);
}

function initials(name) {
  const words = name.split(/\s+/).filter((word) => /^\p{L}/u.test(word));
  return words.length ? words.slice(0, 2).map((word) => [...word][0].toUpperCase()).join("") : name.slice(-2);
}

function duration(milliseconds) {
  if (milliseconds < 1000) return `${Math.max(0, Math.round(milliseconds))} ms`;
  return milliseconds < 60_000 ? `${(milliseconds / 1000).toFixed(1)} s` : `${Math.round(milliseconds / 60_000)} min`;
}
