// A customer on WhatsApp: writes through the simulator, which posts the webhook, and sees what the ledger tells.

const NUMBERED = /^\s*(\d{1,2})\. (.+)$/;

export class WhatsAppLine {
  kind = "whatsapp";
  channel = "WhatsApp";
  pictures = true;

  constructor(customer, title) {
    this.customer = customer;
    this.title = title;
    this.detail = `from ${customer.phone} to ${customer.sender.replace("whatsapp:", "")}`;
  }

  open(card) {
    this.card = card;
  }

  close() {}

  async send(said) {
    const path = `/control/whatsapp/customers/${encodeURIComponent(this.customer.phone)}/messages`;
    const body = JSON.stringify({ to: this.customer.sender, profile_name: this.customer.name, ...written(said) });
    try {
      const answer = await fetch(path, { method: "POST", headers: { "content-type": "application/json" }, body });
      if (answer.ok) return true;
      this.card.note(`The simulator did not take it: ${problem((await answer.json()).detail)}`);
    } catch {
      this.card.note("The simulator cannot be reached; nothing was sent.");
    }
    return false;
  }

  /** An entry of the ledger that is about this customer and this sender. */
  take(entry) {
    const at = entry.at_ns / 1e6;
    if (entry.kind === "inbound") this.card.show(mine(entry, at));
    else if (entry.kind === "webhook") this.card.mark(entry.sid, ...posted(entry));
    else if (entry.kind === "outbound" && entry.seen) this.card.show(theirs(entry, at));
    else if (entry.kind === "outbound") this.card.note("A message could not be delivered to this customer.");
    else if (entry.kind === "refused") this.card.note(`Twilio refused an answer: ${entry.reason} (${entry.code})`);
    else if (entry.kind === "status" && entry.status === "typing") this.card.typing(true);
    else if (entry.kind === "status") this.card.mark(entry.sid, ...progress(entry));
  }
}

function problem(detail) {
  return typeof detail === "string" ? detail : detail.map((one) => one.msg).join("; ");
}

function written({ text, location, picture, choice, extra }) {
  if (location) return { location };
  if (choice) return { button: { payload: choice.id, text: choice.title } };
  if (extra) return { body: text, extra };
  if (picture) return { media: [{ url: `${window.location.origin}/static/picture.png`, content_type: "image/png" }] };
  return { body: text };
}

function mine(entry, at) {
  return {
    id: entry.sid,
    mine: true,
    at,
    text: entry.button?.text ?? entry.body ?? "",
    place: entry.location,
    pictures: entry.pictures ?? (entry.media ?? []).map((media) => media.url),
    files: entry.files,
    status: "posted",
  };
}

function posted(entry) {
  if (entry.status !== null && entry.status < 300) return ["accepted"];
  return ["failed", entry.status === null ? `no answer (${entry.error})` : `the webhook answered ${entry.status}`];
}

function progress(entry) {
  const failed = entry.status === "failed" || entry.status === "undelivered";
  return failed ? ["failed", String(entry.error_code)] : [entry.status];
}

function theirs(entry, at) {
  const text = entry.text ?? entry.body;
  return {
    id: entry.sid,
    at,
    by: entry.by === "twilio" ? "Twilio" : "",
    text,
    pictures: entry.pictures ?? entry.media ?? [],
    files: entry.files,
    place: entry.place ?? pin(entry.action),
    choices: entry.choices?.length ? entry.choices : numbered(text),
    status: entry.by ? "" : "queued",
  };
}

function pin(action) {
  const found = /^geo:([-\d.]+),([-\d.]+)(?:\|(.*))?$/.exec(action ?? "");
  return found ? { latitude: found[1], longitude: found[2], label: found[3] ?? "" } : undefined;
}

/** Numbered lines at the end of a text are offered answers; a customer answers with the number. */
function numbered(text) {
  const choices = [];
  for (const line of (text ?? "").trimEnd().split("\n").reverse()) {
    const found = NUMBERED.exec(line);
    if (!found) break;
    choices.unshift({ title: found[2], hint: `Answers ${found[1]}`, says: { text: found[1] } });
  }
  return choices;
}
