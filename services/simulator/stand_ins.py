"""Which vendors there are stand-ins for, beside Twilio's WhatsApp and the web chat, which the page knows by itself."""

from services.simulator.messenger.stand_in import Messenger
from services.simulator.signal.stand_in import SignalStandIn
from services.simulator.state import State
from services.simulator.telegram.stand_in import Telegram
from services.simulator.twilio.stand_in import stand_ins as twilio
from services.simulator.vendors import StandIn
from services.simulator.voice.network import VoiceNetwork
from services.simulator.whatsapp_cloud.stand_in import WhatsAppCloud


def stand_ins(state: State) -> tuple[StandIn, ...]:
    """One for each channel, all on one state."""
    return (
        Messenger(state),
        SignalStandIn(state),
        Telegram(state),
        *twilio(state),
        VoiceNetwork(state),
        WhatsAppCloud(state),
    )
