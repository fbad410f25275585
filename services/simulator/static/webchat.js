// A visitor of a web chat: talks to the chat's own address, as a shop's page would.

const KEPT = 200;
const AGAIN_MS = 3000;

export class WebChatLine {
  kind = "webchat";
  channel = "Web chat";
  pictures = false;

  constructor(customer, chat, save) {
    this.customer = customer;
    this.chat = chat;
    this.save = save;
    this.title = chat.title;
    this.detail = `connection ${chat.connection}`;
    customer.log ??= [];
  }

  open(card) {
    this.card = card;
    for (const message of this.customer.log) card.show(message);
    this.#connect();
  }

  close() {
    this.closed = true;
    clearTimeout(this.again);
    this.events?.close();
  }

  async #connect() {
    try {
      await this.#enter();
    } catch (error) {
      this.#away(error.message);
      return;
    }
    if (this.closed) return;
    const query = new URLSearchParams({ token: this.customer.token });
    if (this.customer.last) query.set("after", this.customer.last);
    this.events = new EventSource(`${this.#address("/webchat")}/events?${query}`);
    this.events.onopen = () => { this.wasAway = false; };
    this.events.onmessage = (event) => this.#take(JSON.parse(event.data));
    this.events.onerror = () => {
      if (this.events.readyState === EventSource.CLOSED) this.#away("the stream ended");
    };
  }

  #address(prefix) {
    return `${this.chat.base_url.replace(/\/$/, "")}${prefix}/${encodeURIComponent(this.chat.connection)}`;
  }

  /** Gets a token: a fresh one for the visitor we are, else one for a new visitor. */
  async #enter() {
    const headers = this.customer.token ? { authorization: `Bearer ${this.customer.token}` } : {};
    const answer = await fetch(`${this.#address("/webchat")}/visitors`, { method: "POST", headers });
    if (!answer.ok) throw new Error(`it answered ${answer.status}`);
    const { token, visitor } = await answer.json();
    if (this.customer.visitor && this.customer.visitor !== visitor) delete this.customer.last;
    Object.assign(this.customer, { token, visitor });
    this.save();
  }

  #away(why) {
    if (this.closed) return;
    if (!this.wasAway) this.card.note(`The web chat cannot be reached (${why}). Trying again…`);
    this.wasAway = true;
    this.again = setTimeout(() => this.#connect(), AGAIN_MS);
  }

  async send(said) {
    const message = { id: crypto.randomUUID(), mine: true, at: Date.now(), ...mine(said), status: "posted" };
    this.#keep(message);
    this.card.show(message);
    const body = JSON.stringify({ echo_id: message.id, name: this.customer.name, ...posted(said) });
    try {
      let answer = await this.#post(body);
      if (answer.status === 403) {
        await this.#enter();
        answer = await this.#post(body);
      }
      this.#settle(message, answer.ok ? "accepted" : "failed", `the webhook answered ${answer.status}`);
    } catch {
      this.#settle(message, "failed", "the web chat cannot be reached");
    }
    return true;
  }

  #post(body) {
    const headers = { "content-type": "application/json", authorization: `Bearer ${this.customer.token}` };
    return fetch(this.#address("/webhooks/webchat"), { method: "POST", headers, body });
  }

  #settle(message, status, why) {
    Object.assign(message, { status, why: status === "failed" ? why : "" });
    this.card.mark(message.id, status, message.why);
    this.save();
  }

  #take(arrived) {
    const message = { id: arrived.id, at: Date.now(), by: author(arrived), ...shown(arrived.content) };
    this.customer.last = arrived.id;
    this.#keep(message);
    this.card.show(message);
  }

  #keep(message) {
    this.customer.log.push(message);
    this.customer.log.splice(0, Math.max(0, this.customer.log.length - KEPT));
    this.save();
  }
}

function author(message) {
  return message.author === "agent" ? message.author_name ?? "Agent" : "";
}

function mine({ text, choice, location }) {
  return { text: choice ? choice.title : text ?? "", place: location };
}

function posted({ text, choice, location }) {
  if (choice) return { choice };
  if (!location) return { text };
  const { label, ...place } = location;
  return { location: { ...place, name: label } };
}

function shown(content) {
  const offered = content.buttons ?? content.items ?? [];
  const picture = ["image", "sticker"].includes(content.type) && content.media.url;
  return {
    text: content.text ?? content.title ?? content.caption ?? words(content),
    place: content.type === "location" ? { ...content, label: content.name } : undefined,
    pictures: picture ? [picture] : [],
    choices: offered.map(({ id, title, description }) => ({
      title,
      hint: description,
      says: { choice: { id, title } },
    })),
  };
}

function words(content) {
  if (["location", "image", "sticker"].includes(content.type)) return "";
  if (content.type === "contact_card") return content.contacts.map((one) => [one.name, ...(one.phones ?? [])].join(" ")).join("\n");
  return `[${content.type}] ${content.media?.url ?? content.template ?? ""}`.trim();
}
