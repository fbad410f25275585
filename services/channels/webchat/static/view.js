// The chat's window: what it is made of, and how messages come into it. It knows nothing of the server.

import { shown } from "./contents.js";
import { h, hidden, icon } from "./dom.js";

const TOGETHER_MS = 5 * 60_000;
const NEAR_PX = 80;
const TYPING_MS = 10_000;
const SMALL = "(max-width: 480px), (max-height: 440px)";

export class View {
  /** `on` has what the visitor does: toggle, close, send, typed, files, choose, again, remove. */
  constructor({ texts, title, colour, side, css, on }) {
    Object.assign(this, { texts, on, title: title || texts.title });
    this.entries = new Map();
    this.small = matchMedia(SMALL);
    this.host = h("div", { id: "m2n-chat" });
    const shadow = this.host.attachShadow({ mode: "open" });
    const sheet = new CSSStyleSheet();
    sheet.replaceSync(css);
    shadow.adoptedStyleSheets = [sheet];
    this.root = h("div", { class: `root ${side}`, lang: texts.language, dir: texts.dir }, this.#panel(), this.#launcher());
    shadow.append(this.root);
    document.body.append(this.host);
    paint(this.root, colour);
    this.small.addEventListener("change", () => this.#fill());
  }

  #launcher() {
    this.badge = h("span", { class: "badge", "aria-hidden": "true", hidden: true });
    this.launcher = h(
      "button",
      { type: "button", class: "launcher", "aria-haspopup": "dialog", "aria-expanded": "false", "aria-label": this.texts.open, onclick: () => this.on.toggle() },
      icon("chat"), icon("down"), this.badge,
    );
    return this.launcher;
  }

  #panel() {
    const { texts } = this;
    this.now = h("p", { class: "now", role: "status" });
    const head = h(
      "header", {},
      h("span", { class: "face" }, icon("chat")),
      h("div", { class: "titles" }, h("h2", { id: "title" }, this.title), h("p", {}, texts.subtitle)),
      h("button", { type: "button", class: "plain close", "aria-label": texts.close, onclick: () => this.on.close() }, icon("close")),
    );
    this.panel = h(
      "section",
      { class: "panel", role: "dialog", "aria-labelledby": "title", "aria-modal": "false", hidden: true, tabindex: "-1", onkeydown: (event) => this.#key(event) },
      head, this.now, this.#talk(), this.#form(),
      h("div", { class: "drop", "aria-hidden": "true" }, h("span", {}, texts.drop)),
    );
    this.#takeDrops();
    return this.panel;
  }

  #talk() {
    this.log = h("div", { class: "log", role: "log", "aria-live": "off", "aria-label": this.texts.messages });
    this.pending = h("div", { class: "pending" });
    this.typing = h("p", { class: "typing", role: "status" });
    this.welcome = h("p", { class: "welcome" }, this.texts.welcome);
    this.talk = h("div", { class: "talk", tabindex: "0", role: "region", "aria-label": this.texts.messages }, this.welcome, this.log, this.pending, this.typing);
    this.jump = h("button", { type: "button", class: "jump", "aria-label": this.texts.newest, hidden: true, onclick: () => this.scrollDown() }, icon("down"));
    this.#stay();
    return h("div", { class: "middle" }, this.talk, this.jump);
  }

  /** At the end one stays there, also when pictures come or the window changes; whoever has gone up is left alone. */
  #stay() {
    this.stays = true;
    this.talk.addEventListener("scroll", () => {
      if (this.talk.scrollHeight !== this.height) return;  // it grew before this was told
      this.stays = this.#isNear();
      this.#offerJump(!this.stays);
    }, { passive: true });
    const grown = new ResizeObserver(() => { if (this.stays) this.scrollDown(); else this.height = this.talk.scrollHeight; });
    for (const part of [this.talk, this.log, this.pending, this.typing]) grown.observe(part);
  }

  #form() {
    const { texts } = this;
    this.input = h("textarea", { rows: "1", "aria-label": texts.message, placeholder: texts.placeholder, maxlength: "10000", autocomplete: "off", enterkeyhint: "send" });
    this.input.addEventListener("input", () => { this.#grow(); this.on.typed(this.input.value.trim() !== ""); });
    this.input.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
      event.preventDefault();
      this.#say();
    });
    this.input.addEventListener("paste", (event) => this.#take(event, event.clipboardData));
    this.picker = h("input", { type: "file", multiple: true, hidden: true, tabindex: "-1", onchange: () => { this.on.files([...this.picker.files]); this.picker.value = ""; } });
    this.clip = h("button", { type: "button", class: "plain", "aria-label": texts.attach, onclick: () => this.picker.click() }, icon("clip"));
    this.sendButton = h("button", { type: "submit", class: "send", "aria-label": texts.send }, icon("send"));
    const form = h("form", { novalidate: true }, this.clip, this.picker, this.input, this.sendButton);
    form.addEventListener("submit", (event) => { event.preventDefault(); this.#say(); });
    return form;
  }

  #takeDrops() {
    let depth = 0;
    const over = (change) => { depth += change; this.panel.classList.toggle("dropping", depth > 0); };
    this.panel.addEventListener("dragenter", (event) => { if (event.dataTransfer.types.includes("Files")) over(1); });
    this.panel.addEventListener("dragleave", (event) => { if (event.dataTransfer.types.includes("Files")) over(-1); });
    this.panel.addEventListener("dragover", (event) => event.preventDefault());
    this.panel.addEventListener("drop", (event) => { over(-depth); this.#take(event, event.dataTransfer); });
  }

  #take(event, transfer) {
    const files = [...(transfer?.files ?? [])];
    if (!files.length || this.clip.hidden) return;
    event.preventDefault();
    this.on.files(files);
  }

  #say() {
    const text = this.input.value.trim();
    if (!text) return;
    this.input.value = "";
    this.#grow();
    this.on.send(text);
  }

  #grow() {
    this.input.toggleAttribute("dir", false);
    if (this.input.value) this.input.dir = "auto";
    this.input.style.height = "auto";
    this.input.style.height = `${Math.min(this.input.scrollHeight, 132)}px`;
    this.sendButton.classList.toggle("ready", this.input.value.trim() !== "");
  }

  // -- open and closed -----------------------------------------------------------------------------------------

  get isOpen() {
    return !this.panel.hidden;
  }

  open({ focus }) {
    this.panel.hidden = false;
    this.root.classList.add("open");
    this.launcher.setAttribute("aria-expanded", "true");
    this.#fill();
    this.#named();
    this.scrollDown();
    if (focus) (this.input.disabled ? this.panel : this.input).focus();
  }

  close({ focus }) {
    this.panel.hidden = true;
    this.root.classList.remove("open");
    this.launcher.setAttribute("aria-expanded", "false");
    this.#fill();
    this.#named();
    if (focus) this.launcher.focus();
  }

  /** On a small screen the window is all there is: the page below stands still, and Tab stays inside. */
  #fill() {
    const whole = this.isOpen && this.small.matches;
    this.panel.setAttribute("aria-modal", String(whole));
    document.documentElement.style.overflow = whole ? "hidden" : "";
  }

  #key(event) {
    if (event.key === "Escape" && !event.isComposing) {
      event.stopPropagation();
      this.on.close();
    } else if (event.key === "Tab" && this.small.matches) {
      this.#keepIn(event);
    }
  }

  #keepIn(event) {
    const inside = [...this.panel.querySelectorAll("a[href], button:not(:disabled), textarea:not(:disabled), summary, audio, video, [tabindex='0']")]
      .filter((element) => element.getClientRects().length);
    const edge = event.shiftKey ? inside[0] : inside.at(-1);
    if (this.root.getRootNode().activeElement !== edge) return;
    event.preventDefault();
    (event.shiftKey ? inside.at(-1) : inside[0]).focus();
  }

  unread(count) {
    this.badge.textContent = count > 99 ? "99+" : String(count);
    this.badge.hidden = count === 0;
    this.count = count;
    this.#named();
  }

  #named() {
    const unread = this.count ? `, ${this.texts.unread.replace("{count}", this.count)}` : "";
    this.launcher.setAttribute("aria-label", this.isOpen ? this.texts.close : this.texts.open + unread);
  }

  /** One line on how things stand; nothing when all is well. */
  say(text, kind = "") {
    this.now.textContent = text ?? "";
    this.now.className = `now ${kind}`;
  }

  unavailable() {
    this.say(this.texts.unavailable, "bad");
    for (const element of [this.input, this.clip, this.sendButton]) element.disabled = true;
  }

  attachable(types) {
    this.clip.hidden = !types.length;
    this.picker.accept = types.map((type) => (type.endsWith("/") ? `${type}*` : type)).filter((type) => !type.endsWith(".")).join(",");
  }

  // -- messages ------------------------------------------------------------------------------------------------

  /** What is there is old news; from now on new messages are read out. */
  settled() {
    this.log.setAttribute("aria-live", "polite");
    this.scrollDown();
  }

  clear() {
    this.entries.clear();
    this.log.replaceChildren();
    this.pending.replaceChildren();
    this.log.setAttribute("aria-live", "off");
    this.welcome.hidden = false;
    this.typing.replaceChildren();
  }

  /** A message that the server has. */
  add(message) {
    const known = this.entries.get(message.id);
    if (known?.settled) return;
    known?.element.remove();
    const entry = { message, settled: true, element: this.#message(message) };
    this.entries.set(message.id, entry);
    this.#follow(this.log, entry);
    if (message.author === "customer") this.#spend();
    else this.hideTyping(message);
    this.status(message.id, message.status === "sending" && known?.status ? known.status : message.status ?? known?.status);
    this.welcome.hidden = true;
  }

  /** A message of the visitor's that the server does not have yet; stays below all others. */
  addPending(message) {
    if (this.entries.has(message.id)) return;
    const entry = { message, element: this.#message(message) };
    this.entries.set(message.id, entry);
    this.pending.append(entry.element);
    this.#spend();
    this.status(message.id, message.status);
    this.welcome.hidden = true;
    this.scrollDown();
  }

  removePending(id) {
    const entry = this.entries.get(id);
    if (!entry || entry.settled) return;
    entry.element.remove();
    this.entries.delete(id);
    this.input.focus();
  }

  /** A line below a message: `sending`, `sent`, `read` or `failed`, which may say why. */
  status(id, status, why) {
    const entry = this.entries.get(id);
    if (!entry || entry.message.author !== "customer" || !status) return;
    entry.status = status;
    entry.element.dataset.status = status;
    const sign = { sending: "clock", sent: "check", read: "checks", failed: "warning" }[status];
    const text = why ?? this.texts[status];
    entry.element.querySelector(".status").replaceChildren(icon(sign), status === "failed" ? text : hidden(text));
    entry.element.querySelector(".mend").hidden = status !== "failed";
  }

  /** Of a file on its way: from 0 to 1. */
  progress(id, part) {
    const bar = this.entries.get(id)?.element.querySelector("progress");
    if (bar) bar.value = part;
  }

  #message(message) {
    const { author, author_name: name, at, content } = message;
    if (author === "system") return h("div", { class: "system" }, h("p", { dir: "auto" }, ...this.#content(content)));
    const own = author === "customer";
    const who = own ? this.texts.you : name || this.texts[author] || this.texts.bot;
    const time = h("time", { datetime: at }, new Intl.DateTimeFormat(this.texts.locale, { timeStyle: "short" }).format(new Date(at)));
    const element = h(
      "div", { class: `message ${own ? "own" : author}` },
      own ? null : h("span", { class: "face" }, author === "agent" ? initial(who) : icon("bot")),
      h(
        "div", { class: "body" },
        own ? hidden(`${who}: `) : h("span", { class: "who", dir: "auto" }, who, hidden(": ")),
        h("div", { class: `bubble ${content.type}` }, ...this.#content(content), content.progress ? h("progress", { max: "1", value: "0", "aria-label": this.texts.sending }) : null),
        h("div", { class: "meta" }, time, own ? h("span", { class: "status" }) : null),
        own ? this.#mend(message.id) : null,
      ),
    );
    return element;
  }

  #content(content) {
    return shown(content, this.texts, (choice) => { this.input.focus(); this.on.choose(choice); });
  }

  #mend(id) {
    const button = (text, does) => h("button", { type: "button", onclick: () => does(id) }, text);
    return h("div", { class: "mend", hidden: true }, button(this.texts.again, this.on.again), button(this.texts.remove, this.on.remove));
  }

  /** Below the last one: under a new day's line, and as one group with what the same author said just before. */
  #follow(where, entry) {
    const { message, element } = entry;
    const { message: before, element: above } = this.lastEntry ?? {};
    const day = new Date(message.at).toDateString();
    if (!above?.isConnected || new Date(before.at).toDateString() !== day) where.append(h("p", { class: "day" }, this.#day(message.at)));
    else if (before.author === message.author && before.author_name === message.author_name && new Date(message.at) - new Date(before.at) < TOGETHER_MS) {
      above.classList.add("followed");
      element.classList.add("following");
    }
    where.append(element);
    this.lastEntry = entry;
  }

  #day(at) {
    const days = Math.round((new Date(new Date().toDateString()) - new Date(new Date(at).toDateString())) / 86_400_000);
    if (days < 2) return new Intl.RelativeTimeFormat(this.texts.locale, { numeric: "auto" }).format(-days, "day");
    return new Intl.DateTimeFormat(this.texts.locale, { dateStyle: "medium" }).format(new Date(at));
  }

  /** What was offered before the visitor spoke can no longer be picked. */
  #spend() {
    for (const button of this.log.querySelectorAll("button.choice:not(:disabled)")) button.disabled = true;
  }

  showTyping({ on, author, author_name: name }) {
    clearTimeout(this.typingTimer);
    if (!on) return this.typing.replaceChildren();
    if (author === "bot" && this.#isAnswered()) return;  // signs come beside the messages, so this one is late
    const who = name || this.texts[author];
    const words = who ? this.texts.typing.replace("{name}", who) : this.texts.typing_now;
    const dots = h("span", { class: "dots", "aria-hidden": "true" }, h("i"), h("i"), h("i"));
    if (who || !this.typing.hasChildNodes()) this.typing.replaceChildren(dots, words);
    this.typingTimer = setTimeout(() => this.typing.replaceChildren(), TYPING_MS);
  }

  #isAnswered() {
    return !this.pending.hasChildNodes() && this.lastEntry && this.lastEntry.message.author !== "customer";
  }

  hideTyping() {
    clearTimeout(this.typingTimer);
    this.typing.replaceChildren();
  }

  #isNear() {
    const { scrollHeight, scrollTop, clientHeight } = this.talk;
    return scrollHeight - scrollTop - clientHeight < NEAR_PX;
  }

  scrollDown() {
    this.stays = true;
    this.height = this.talk.scrollHeight;
    this.talk.scrollTop = this.height;
    this.#offerJump(false);
  }

  /** A button that goes away leaves its focus to the messages; else the keyboard would be out of the window. */
  #offerJump(on) {
    if (!on && this.root.getRootNode().activeElement === this.jump) this.talk.focus({ preventScroll: true });
    this.jump.hidden = !on;
  }
}

function initial(name) {
  return [...name.trim()][0]?.toUpperCase() ?? "";
}

/** The site's colour, and black or white on it: whichever can be read better. */
function paint(root, colour) {
  if (!colour || !CSS.supports("color", colour)) return;
  const probe = h("span");
  probe.style.color = colour;
  root.append(probe);
  const [red, green, blue] = getComputedStyle(probe).color.match(/[\d.]+/g).map((part) => part / 255);
  probe.remove();
  const light = (part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4);
  const luminance = 0.2126 * light(red) + 0.7152 * light(green) + 0.0722 * light(blue);
  root.style.setProperty("--accent", colour);
  root.style.setProperty("--on-accent", luminance > 0.179 ? "#14161a" : "#fff");
}
