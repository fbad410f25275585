// The chat: brings the window, the server and what is remembered together.

import { Api, Refusal } from "./api.js";
import { size } from "./contents.js";
import { Outbox } from "./outbox.js";
import { newId, Store } from "./store.js";
import { pauseMs, Stream } from "./stream.js";
import { View } from "./view.js";

const LANGUAGES = ["en", "de", "fr", "es", "it", "nl", "pt", "ar"];
const OWN = "own:";
const TYPED_AGAIN_MS = 4_000;
const TYPED_NO_MORE_MS = 6_000;
const HIDDEN_MS = 30_000;
const RECEIPTS_MS = 300;
const RECEIPTS_AT_ONCE = 100;
const UPLOAD_TRIES = 5;
const BRIEFLY_MS = 6_000;

export async function start(options) {
  const wanted = options.language || document.documentElement.lang || navigator.language || "en";
  const short = wanted.toLowerCase().split("-")[0];
  const language = LANGUAGES.includes(short) ? short : "en";
  const [texts, css] = await Promise.all([
    fetch(`${options.modules}text-${language}.json`).then((answer) => answer.json()),
    fetch(`${options.modules}widget.css`).then((answer) => answer.text()),
  ]);
  if (!document.body) await new Promise((ready) => document.addEventListener("DOMContentLoaded", ready, { once: true }));
  const locale = navigator.languages.find((one) => one.split("-")[0] === language && isKnown(one)) ?? language;
  return new Chat(options, { ...texts, language, locale }, css, options.language || short);
}

class Chat {
  constructor(options, texts, css, language) {
    Object.assign(this, { options, texts, language, name: options.name });
    this.store = new Store(options.connection);
    this.api = new Api({ ...options, store: this.store });
    this.view = new View({ texts, css, title: options.title, colour: options.colour, side: side(options.position, texts), on: this.#deeds() });
    this.stream = new Stream({ api: this.api, event: (event) => this.#take(event), state: (state, error) => this.#state(state, error) });
    this.outbox = new Outbox({ api: this.api, store: this.store, changed: (item, status) => this.view.status(OWN + item.echo_id, status), trouble: (error) => this.#trouble(error) });
    this.uploads = new Map();
    this.#restart();
    this.#watch();
    if (this.api.session) this.#connect();
    const before = sessionStore("open");
    if (before === "true" || (before === null && options.open)) this.open({ focus: false });
  }

  // -- what pages may call -------------------------------------------------------------------------------------

  open({ focus = true } = {}) {
    if (this.view.isOpen) return;
    this.view.open({ focus });
    sessionStore("open", "true");
    this.#connect();
    this.#seen();
  }

  close({ focus = true } = {}) {
    if (!this.view.isOpen) return;
    this.view.close({ focus });
    sessionStore("open", "false");
  }

  toggle() {
    if (this.view.isOpen) this.close();
    else this.open();
  }

  /** The site's own user, with the proof that its server made; null when they have logged out. */
  async identify(user, hash, { name } = {}) {
    if (user === null) return this.#logOut();
    this.name = name ?? this.name;
    const before = this.api.user;
    this.api.user = { id: String(user), hash };
    const known = this.api.session?.user;
    if (known && known !== this.api.user.id) this.outbox.clear();
    try {
      await this.api.visitor();
    } catch (error) {
      this.api.user = before;
      throw error;
    }
    this.#changed();
    this.#connect();
  }

  #logOut() {
    this.api.user = undefined;
    if (!this.api.session?.user) return;
    this.api.forget();
    this.outbox.clear();
    this.#changed();
  }

  // -- coming and going ----------------------------------------------------------------------------------------

  #watch() {
    this.store.watch("session", () => this.#changed());
    addEventListener("online", () => { this.#state("open"); this.stream.hurry(); this.outbox.flush(); });
    addEventListener("offline", () => this.#state("away"));
    addEventListener("pagehide", () => this.stream.stop());
    addEventListener("pageshow", (event) => { if (event.persisted) this.#resume(); });
    document.addEventListener("visibilitychange", () => {
      clearTimeout(this.hiding);
      if (document.hidden) this.hiding = setTimeout(() => this.stream.stop(), HIDDEN_MS);
      else this.#resume();
    });
  }

  #resume() {
    this.api.renewIfDue();
    if (this.api.session) this.#connect();
    this.#seen();
  }

  async #connect() {
    try {
      const session = await this.api.visitor();
      this.#changed();
      this.view.attachable(session.attachments.max_bytes ? session.attachments.types : []);
    } catch (error) {
      if ([403, 404].includes(error.status)) return this.#unavailable(error);
      this.#state("away", error);
      clearTimeout(this.again);
      this.again = setTimeout(() => this.#connect(), pauseMs(3));
      return;
    }
    this.stream.start();
    this.outbox.flush();
  }

  #unavailable(error) {
    this.view.unavailable();
    const site = error.status === 403 ? `; this page's is ${location.origin}` : "";
    console.warn(`M2N chat: ${error.message}${site}`);
  }

  /** Another visitor has another conversation. */
  #changed() {
    const visitor = this.api.session?.visitor;
    if (visitor === this.visitor) return;
    const first = this.visitor === undefined;
    this.visitor = visitor;
    this.stream.stop();
    if (!first) {
      this.store.set("delivered", null);
      this.store.set("read", null);
    }
    this.#restart();
    if (visitor) this.stream.start();
  }

  #restart() {
    this.messages = [];
    this.ready = false;
    this.stream.restart();
    this.view.clear();
    this.view.unread(0);
    for (const item of this.outbox.items) this.#showPending(item);
  }

  #state(state, error) {
    if (error instanceof Refusal && [403, 404].includes(error.status)) return this.#unavailable(error);
    this.away = state === "away";
    this.#standing();
    if (!this.away) this.outbox.flush();
  }

  #trouble(error) {
    this.slow = error?.status === 429 ? error.after ?? 1 : undefined;
    this.unsent = error !== undefined;
    this.#standing();
  }

  #tellBriefly(text) {
    this.brief = text;
    clearTimeout(this.briefTimer);
    this.briefTimer = setTimeout(() => { this.brief = undefined; this.#standing(); }, BRIEFLY_MS);
    this.#standing();
  }

  /** The line on how things stand. */
  #standing() {
    const { texts } = this;
    if (this.brief) this.view.say(this.brief, "bad");
    else if (navigator.onLine === false) this.view.say(texts.offline, "bad");
    else if (this.slow) this.view.say(texts.too_many.replace("{seconds}", this.slow), "bad");
    else if (this.away || this.unsent) this.view.say(texts.reconnecting, "bad");
    else this.view.say();
  }

  // -- what comes ----------------------------------------------------------------------------------------------

  #take({ event, data }) {
    if (event === "message") this.#takeMessage(data);
    else if (event === "typing") this.view.showTyping(data);
    else if (event === "status") this.#takeStatus(data);
  }

  #takeMessage(message) {
    if (this.messages.some((known) => known.id === message.id)) return;
    this.messages.push(message);
    this.view.add(message);
    if (this.ready) this.#seen();
  }

  /** The first one comes after all that was there before. */
  #takeStatus({ sent, read_to: readTo }) {
    if (sent) this.view.status(sent, "sent");
    if (readTo) this.#read(readTo);
    if (this.ready || sent) return;
    this.ready = true;
    this.view.settled();
    this.#seen();
  }

  #read(to) {
    const end = this.messages.findIndex((message) => message.id === to);
    for (const message of this.messages.slice(0, end + 1)) if (own(message)) this.view.status(message.id, "read");
  }

  /** Counts what is unread and tells the server what was delivered and read, a little later and all at once. */
  #seen() {
    const looking = this.view.isOpen && !document.hidden;
    this.view.unread(looking ? 0 : this.#since("read").length);
    clearTimeout(this.telling);
    if (this.ready) this.telling = setTimeout(() => this.#tell(looking), RECEIPTS_MS);
  }

  async #tell(looking) {
    const status = looking ? "read" : "delivered";
    const news = this.#since(looking ? "read" : "delivered");
    for (let from = 0; from < news.length; from += RECEIPTS_AT_ONCE) {
      const some = news.slice(from, from + RECEIPTS_AT_ONCE);
      try {
        await this.api.post({ receipts: some.map(({ id }) => ({ id, status })) });
      } catch {
        return;  // they are told with the next ones
      }
      this.store.set("delivered", some.at(-1).id);
      if (looking) this.store.set("read", some.at(-1).id);
    }
  }

  /** Messages to the visitor after the last one that is remembered as delivered or read. */
  #since(what) {
    const last = this.store.get(what);
    const from = this.messages.findIndex((message) => message.id === last) + 1;
    return this.messages.slice(from).filter((message) => !own(message));
  }

  // -- what the visitor does -----------------------------------------------------------------------------------

  #deeds() {
    return {
      toggle: () => this.toggle(),
      close: () => this.close(),
      send: (text) => this.#say({ text }, { type: "text", text }),
      choose: (choice) => this.#say({ choice }, { type: "choice", ...choice }),
      typed: (some) => this.#typed(some),
      files: (files) => files.forEach((file) => this.#attach(file)),
      again: (id) => this.#again(id),
      remove: (id) => this.#remove(id),
    };
  }

  #say(body, content) {
    clearTimeout(this.typedTimer);
    this.typedAt = 0;
    const item = { echo_id: newId(), body: { ...body, ...this.#about() }, content, at: new Date().toISOString() };
    this.#showPending(item);
    this.outbox.add(item);
    if (!this.stream.runs) this.#connect();
  }

  #about() {
    return { language: this.language, ...(this.name && { name: this.name }) };
  }

  #showPending({ echo_id: echo, content, at, failed }) {
    this.view.addPending({ id: OWN + echo, author: "customer", content, at, status: failed ? "failed" : "sending" });
  }

  #again(id) {
    const echo = id.slice(OWN.length);
    this.view.status(id, "sending");
    if (this.uploads.has(echo)) this.#upload(echo, this.uploads.get(echo));
    else this.outbox.again(echo);
  }

  #remove(id) {
    const echo = id.slice(OWN.length);
    this.uploads.delete(echo);
    this.outbox.remove(echo);
    this.view.removePending(id);
  }

  /** Says every few seconds that the visitor types, and once that they do not any more. */
  #typed(some) {
    clearTimeout(this.typedTimer);
    if (!this.api.session) return;
    const tell = (typing) => this.api.post({ echo_id: newId(), typing }).catch(() => {});
    const stop = () => { if (this.typedAt) tell(false); this.typedAt = 0; };
    if (!some) return stop();
    this.typedTimer = setTimeout(stop, TYPED_NO_MORE_MS);
    if (Date.now() - (this.typedAt || 0) < TYPED_AGAIN_MS) return;
    this.typedAt = Date.now();
    tell(true);
  }

  // -- files ---------------------------------------------------------------------------------------------------

  async #attach(file) {
    const visitor = await this.api.visitor().catch(() => null);
    const why = visitor ? this.#whyNot(file, visitor.attachments) : this.texts.reconnecting;
    if (why) return this.#tellBriefly(why);
    const echo = newId();
    this.uploads.set(echo, file);
    this.#showPending({ echo_id: echo, content: preview(file), at: new Date().toISOString() });
    this.#upload(echo, file);
  }

  #whyNot(file, { max_bytes: most, types }) {
    if (!types.some((type) => file.type === type || (/[/.]$/.test(type) && file.type.startsWith(type)))) return this.texts.wrong_type;
    return file.size > most ? this.texts.too_large.replace("{size}", size(most, this.texts)) : "";
  }

  /** The file first, then the message that refers to it: that one can wait for better times like any other. */
  async #upload(echo, file, tries = 1) {
    const id = OWN + echo;
    try {
      const uploaded = await this.api.upload(file, echo, (part) => this.view.progress(id, part));
      this.uploads.delete(echo);
      this.view.progress(id, 1);
      const content = { type: uploaded.type, media: uploaded };
      this.outbox.add({ echo_id: echo, body: { attachment: { id: uploaded.id }, ...this.#about() }, content, at: new Date().toISOString() });
    } catch (error) {
      const hopeless = error.status && error.status < 500 && error.status !== 429;
      if (hopeless || tries >= UPLOAD_TRIES) return this.view.status(id, "failed", this.texts.upload_failed);
      setTimeout(() => { if (this.uploads.has(echo)) this.#upload(echo, file, tries + 1); }, error.after ? error.after * 1000 : pauseMs(tries));
    }
  }
}

/** Some browsers name languages that they then do not know, such as `en-US@posix`. */
function isKnown(locale) {
  try {
    return Intl.DateTimeFormat.supportedLocalesOf(locale).length > 0;
  } catch {
    return false;
  }
}

function own(message) {
  return message.author === "customer";
}

function preview(file) {
  const type = file.type.startsWith("image/") ? "image" : "file";
  const media = { filename: file.name, size_bytes: file.size, ...(type === "image" && { preview: URL.createObjectURL(file) }) };
  return { type, media, progress: true };
}

/** Where the chat sits: where the page says, else at the end of the lines of its language. */
function side(position, { dir }) {
  return ["left", "right"].includes(position) ? position : dir === "rtl" ? "left" : "right";
}

/** Of this tab; what is not kept is no harm. */
function sessionStore(name, value) {
  try {
    if (value === undefined) return sessionStorage.getItem(`m2n-chat:${name}`);
    sessionStorage.setItem(`m2n-chat:${name}`, value);
  } catch {
    return null;
  }
  return null;
}
