// The chat's HTTP calls, with a token that is fetched when it is needed and renewed before it runs out.

const WITHIN_MS = 20_000;
const RENEW_AT = 0.8;
const LONGEST_TIMER_MS = 2 ** 31 - 1;

/** The server said no. `after` is how many seconds it asks to wait. */
export class Refusal extends Error {
  constructor(status, detail, after) {
    super(detail || `the chat answered ${status}`);
    this.status = status;
    this.after = after;
  }
}

export class Api {
  constructor({ root, connection, store }) {
    Object.assign(this, { root, connection, store });
    this.path = encodeURIComponent(connection);
    this.user = undefined;
  }

  /** The visitor, if there is one whose token is still good. */
  get session() {
    const session = this.store.get("session");
    return session && session.until > Date.now() ? session : null;
  }

  /** The visitor; a new one if need be. */
  async visitor() {
    const session = this.session;
    return session && this.#isOf(session) ? this.#keep(session) : this.enter();
  }

  #isOf(session) {
    return this.user === undefined || session.user === this.user.id;
  }

  /** Gets a token in place of the old one: for the visitor we are, else for a new one. One tab at a time. */
  enter(old) {
    return this.store.alone("enter", async () => {
      const before = this.session;
      if (before && before.token !== old && this.#isOf(before)) return this.#keep(before);
      const { id, hash } = this.user ?? {};
      const body = this.user ? JSON.stringify({ user: { id, hash } }) : undefined;
      const headers = { ...(before && bearer(before)), ...(body && { "content-type": "application/json" }) };
      const answer = await this.#fetch(`webchat/${this.path}/visitors`, { method: "POST", headers, body });
      const { token, visitor, expires_in_s: seconds, attachments } = await answer.json();
      const user = this.user?.id ?? (before?.visitor === visitor ? before.user : undefined);
      const now = Date.now();
      const session = { token, visitor, user, attachments, until: now + seconds * 1000, renew: now + seconds * 1000 * RENEW_AT };
      this.store.set("session", session);
      return this.#keep(session);
    });
  }

  #keep(session) {
    clearTimeout(this.timer);
    const wait = Math.min(Math.max(session.renew - Date.now(), 1000), LONGEST_TIMER_MS);
    this.timer = setTimeout(() => this.renewIfDue(), wait);
    return session;
  }

  /** Also called when the page is looked at again: timers sleep with the machine. */
  renewIfDue() {
    const session = this.session;
    if (!session) return;
    if (session.renew > Date.now()) this.#keep(session);
    else this.enter(session.token).catch(() => { this.timer = setTimeout(() => this.renewIfDue(), 10_000); });
  }

  forget() {
    clearTimeout(this.timer);
    this.store.set("session", null);
  }

  /** Posts a message, or what was seen. A token that is not taken is renewed once. */
  post(body) {
    const options = { method: "POST", body: JSON.stringify(body), headers: { "content-type": "application/json" } };
    return this.#asVisitor((session) =>
      this.#fetch(`webhooks/webchat/${this.path}`, { ...options, headers: { ...options.headers, ...bearer(session) } }));
  }

  /** Opens the stream of events, or asks once for what is new. */
  read(what, { last, query = {}, signal }) {
    const headers = last ? { "last-event-id": last } : {};
    const search = new URLSearchParams({ both: "true", ...query });
    return this.#asVisitor((session) =>
      this.#fetch(`webchat/${this.path}/${what}?${search}`, { headers: { ...headers, ...bearer(session) }, signal, cache: "no-store" }));
  }

  async #asVisitor(call) {
    const session = await this.visitor();
    try {
      return await call(session);
    } catch (error) {
      if (![401, 403].includes(error.status)) throw error;
      return call(await this.enter(session.token));
    }
  }

  async #fetch(path, options) {
    const answer = await fetch(this.root + path, { signal: within(), credentials: "omit", ...options });
    if (answer.ok) return answer;
    throw new Refusal(answer.status, detail(await answer.text()), Number(answer.headers.get("retry-after")) || undefined);
  }

  /** Sends a file's bytes; `progress` gets a number from 0 to 1. XMLHttpRequest, because fetch does not tell. */
  async upload(file, id, progress) {
    const session = await this.visitor();
    const query = new URLSearchParams({ upload: id, filename: file.name || "file" });
    return new Promise((resolve, reject) => {
      const request = new XMLHttpRequest();
      request.open("POST", `${this.root}webchat/${this.path}/attachments?${query}`);
      request.setRequestHeader("authorization", bearer(session).authorization);
      request.setRequestHeader("content-type", file.type || "application/octet-stream");
      request.upload.onprogress = (event) => progress(event.lengthComputable ? event.loaded / event.total : 0);
      request.onerror = () => reject(new TypeError("the chat cannot be reached"));
      request.onload = () => {
        if (request.status < 300) resolve(JSON.parse(request.responseText));
        else reject(new Refusal(request.status, detail(request.responseText), Number(request.getResponseHeader("retry-after")) || undefined));
      };
      request.send(file);
    });
  }
}

function bearer(session) {
  return { authorization: `Bearer ${session.token}` };
}

function within() {
  return AbortSignal.timeout ? AbortSignal.timeout(WITHIN_MS) : undefined;
}

function detail(text) {
  try {
    const { detail } = JSON.parse(text);
    return typeof detail === "string" ? detail : "";
  } catch {
    return "";
  }
}
