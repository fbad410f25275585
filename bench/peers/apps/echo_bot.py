"""An echo bot on botbuilder: python -m bench.peers.apps.echo_bot

As the SDK's samples have it: the webhook is answered when the bot's turn is over.
"""

from collections.abc import AsyncIterator, Mapping

import aiohttp
from aiohttp import web
from botbuilder.core import ActivityHandler, BotAdapter, TurnContext  # pyright: ignore[reportMissingImports]
from botbuilder.schema import (  # pyright: ignore[reportMissingImports]
    Activity,
    ActivityTypes,
    ChannelAccount,
    ConversationAccount,
    ConversationReference,
    ResourceResponse,
)

from bench.peers.apps.twilio_whatsapp import Settings, answer_text, genuine_form, sending


class EchoBot(ActivityHandler):
    async def on_message_activity(self, turn_context: TurnContext) -> None:
        await turn_context.send_activity(answer_text(turn_context.activity.text))


class TwilioAdapter(BotAdapter):
    """Activities from Twilio's forms, and back by its API."""

    def __init__(self, settings: Settings, http: aiohttp.ClientSession) -> None:
        super().__init__()
        self._settings, self._http = settings, http

    async def process(self, form: Mapping[str, str], bot: ActivityHandler) -> None:
        await self.run_pipeline(TurnContext(self, activity_of(form)), bot.on_turn)

    async def send_activities(self, context: TurnContext, activities: list[Activity]) -> list[ResourceResponse]:
        return [await self._send(context, each) for each in activities if each.type == ActivityTypes.message]

    async def _send(self, context: TurnContext, activity: Activity) -> ResourceResponse:
        account, ours, theirs = context.activity.channel_data["AccountSid"], activity.from_property, activity.recipient
        call = sending(self._settings, account, ours.id, theirs.id, activity.text)
        async with self._http.post(call.url, data=call.form, headers=call.headers) as answer:
            answer.raise_for_status()
            return ResourceResponse(id=(await answer.json())["sid"])

    async def update_activity(self, context: TurnContext, activity: Activity) -> None:
        raise NotImplementedError("Twilio changes no message that was sent")

    async def delete_activity(self, context: TurnContext, reference: ConversationReference) -> None:
        raise NotImplementedError("Twilio takes no message back")


def activity_of(form: Mapping[str, str]) -> Activity:
    return Activity(
        type=ActivityTypes.message,
        id=form["MessageSid"],
        channel_id="twilio-whatsapp",
        from_property=ChannelAccount(id=form["From"], name=form.get("ProfileName")),
        recipient=ChannelAccount(id=form["To"]),
        conversation=ConversationAccount(id=f"{form['To']} {form['From']}"),
        text=form["Body"],
        channel_data=dict(form),
    )


def application(settings: Settings) -> web.Application:
    bot = EchoBot()
    adapter = web.AppKey("adapter", TwilioAdapter)

    async def opened(app: web.Application) -> AsyncIterator[None]:
        async with aiohttp.ClientSession() as http:
            app[adapter] = TwilioAdapter(settings, http)
            yield

    async def webhook(request: web.Request) -> web.Response:
        signature = request.headers.get("x-twilio-signature", "")
        form = genuine_form(settings, request.path_qs, await request.read(), signature)
        if form is None:
            return web.Response(status=403)
        await request.app[adapter].process(form, bot)
        return web.Response()

    async def health(_: web.Request) -> web.Response:
        return web.Response()

    app = web.Application()
    app.cleanup_ctx.append(opened)
    app.router.add_post("/webhooks/{channel}/{connection}", webhook)
    app.router.add_get("/health", health)
    return app


if __name__ == "__main__":
    chosen = Settings.from_environment()
    web.run_app(application(chosen), host="127.0.0.1", port=chosen.port, access_log=None)
