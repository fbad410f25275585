// A customer on any channel that has a stand-in: acts through the simulator's lines, and sees what the ledger tells.

const PICTURE = { url: `${window.location.origin}/static/picture.png`, content_type: "image/png", filename: "picture.png" };
const LONGEST = 4096;
const SILENCE_S = 60;
const ABLE = {
  sms: { places: false },
  voice: { places: false, pictures: false, calls: true },
};
const ENDED = ["completed", "failed"];
const CALL_NOTES = {
  called: "The call begins.",
  "hung up": "You hung up.",
  completed: "The call has ended.",
  failed: "The call has failed.",
  dialling: "You are being put through.",
  queued: "You are waiting for somebody.",
  bridged: "You are talking to a person.",
  unbridged: "The person has hung up.",
};

export class Line {
  kind = "line";

  constructor(customer, line) {
    const { places = true, pictures = true, calls = false } = ABLE[line.channel] ?? {};
    Object.assign(this, { customer, places, pictures, calls, longest: LONGEST });
    this.name = line.channel;
    this.channel = line.channel_title;
    this.title = line.title;
    this.detail = `${customer.customer} at connection ${line.connection}`;
  }

  open(card) {
    this.card = card;
  }

  close() {}

  /** What the customer does, as `Said` of the control API; true if it was taken. */
  async send(said) {
    const { channel, connection, customer } = this.customer;
    const path = `/control/lines/${[channel, connection].map(encodeURIComponent).join("/")}/customers/${encodeURIComponent(customer)}/messages`;
    const body = JSON.stringify({ name: this.customer.name, ...this.#said(said) });
    try {
      const answer = await fetch(path, { method: "POST", headers: { "content-type": "application/json" }, body });
      if (answer.ok) return true;
      this.card.note(`${this.channel} did not take it: ${await problem(answer)}`);
    } catch {
      this.card.note("The simulator cannot be reached; nothing was sent.");
    }
    return false;
  }

  #said({ picture, ...said }) {
    if (picture) return { media: [PICTURE] };
    return this.calls ? { ...said, extra: { ...said.extra, silence_s: SILENCE_S } } : said;
  }

  /** An entry of the ledger that is about this customer and this line. */
  take(entry) {
    if (entry.kind === "inbound") this.#did(entry);
    else if (entry.kind === "outbound") this.#came(entry);
    else if (entry.kind === "status") this.#progressed(entry);
    else if (entry.kind === "refused") this.card.note(`${this.channel} refused an answer: ${entry.reason} (${entry.code})`);
    else if (entry.kind === "webhook" && !this.calls) this.card.mark(entry.id, ...posted(entry));
  }

  #did(entry) {
    if (entry.event) this.#called(entry.event);
    else if (!this.#changed(entry, true)) this.card.show({ ...this.#message(entry), mine: true, status: this.calls ? "" : "posted" });
  }

  #came(entry) {
    if (this.#changed(entry, false)) return;
    if (entry.typing || entry.action === "typing_on") this.card.typing(true);
    else if (entry.action === "typing_off") this.card.typing(false);
    else if (entry.seen) this.card.show({ ...this.#message(entry), by: entry.by, choices: entry.choices });
    else if (!entry.action) this.card.note("A message could not be delivered to this customer.");
  }

  /** Whether the entry is about a message that is there: an edit, a deletion, a reaction. */
  #changed(entry, mine) {
    const edited = entry.edit?.target ?? entry.edits;
    const deleted = entry.delete ?? entry.deletes;
    const reacted = entry.reaction?.target ?? entry.reaction?.message_id;
    if (edited) this.card.edit(edited, { ...this.#message(entry), text: entry.edit?.text ?? entry.text, mine });
    else if (deleted) this.card.remove(deleted);
    else if (reacted) this.card.react(reacted, entry.reaction.emoji, mine);
    return Boolean(edited || deleted || reacted);
  }

  /** All that happens in a call has the call's id. */
  #message(entry) {
    const { text, pictures, files, place } = entry;
    return { id: this.calls ? entry.n : entry.id, at: entry.at_ns / 1e6, text, pictures, files, place };
  }

  #progressed(entry) {
    if (this.calls) this.#called(entry.status);
    else if (entry.status === "typing") this.card.typing(entry.on ?? true);
    else this.card.mark(entry.of ?? entry.id, ...progress(entry));
    if (entry.typing) this.card.typing(true);
  }

  #called(what) {
    if (what === "called") this.card.calling(true);
    if (ENDED.includes(what)) this.card.calling(false);
    if (CALL_NOTES[what]) this.card.note(CALL_NOTES[what]);
  }
}

async function problem(answer) {
  const { detail } = await answer.json();
  return typeof detail === "string" ? detail : detail.map((one) => one.msg).join("; ");
}

/** A socket answers nothing, and that is no failure. */
function posted({ status, error }) {
  if (status === null ? !error : status < 300) return ["accepted"];
  return ["failed", status === null ? `no answer (${error})` : `the webhook answered ${status}`];
}

function progress({ status, error_code: code }) {
  if (status === "failed" || status === "undelivered") return ["failed", String(code ?? "")];
  return [status.endsWith("_by_us") ? "read" : status];
}
