// One customer's card: the thread, the offered answers, the composer. It knows no channel; a line sends for it.

const template = document.getElementById("card");
const TICKS = { posted: "✓", accepted: "✓✓", queued: "🕓", sent: "✓", delivered: "✓✓", read: "✓✓" };
const PLACE = { latitude: 52.0907, longitude: 5.1214, label: "Dom Tower", address: "Domplein 29, Utrecht" };

export class Card {
  /** `line` has: kind, channel, title, detail, pictures, send({text | choice | location | picture}). */
  constructor(name, line, onClose) {
    this.line = line;
    this.root = template.content.firstElementChild.cloneNode(true);
    this.bubbles = new Map();
    this.lastAsked = null;
    this.#find();
    this.#label(name);
    this.#listen(onClose);
  }

  #find() {
    const part = (selector) => this.root.querySelector(selector);
    this.thread = part(".thread");
    this.choices = part(".choices");
    this.composer = part(".composer");
    this.text = part("textarea");
  }

  #label(name) {
    const part = (selector) => this.root.querySelector(selector);
    this.root.classList.add(this.line.kind);
    this.root.setAttribute("aria-label", `${name}, ${this.line.title}`);
    part(".face").textContent = initials(name);
    part(".name").textContent = name;
    part(".line").textContent = `${this.line.channel} with ${this.line.title}`;
    part(".line").title = this.line.detail;
    part(".close").setAttribute("aria-label", `Remove ${name}`);
    part(".picture").hidden = !this.line.pictures;
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
    this.composer.addEventListener("submit", (event) => {
      event.preventDefault();
      const text = this.text.value;
      if (!text.trim()) return;
      this.text.value = "";
      this.line.send({ text });
    });
  }

  /** Show a message {id, mine, text, by, at (ms), place, pictures, choices, status}, or change the one of that id. */
  show(message) {
    const known = this.bubbles.get(message.id);
    const bubble = known ?? document.createElement("li");
    bubble.replaceChildren(...this.#content(message));
    bubble.className = `bubble${message.mine ? " mine" : ""}`;
    this.bubbles.set(message.id, bubble);
    this.mark(message.id, message.status, message.why);
    if (known) return;
    this.thread.append(bubble);
    this.#offer(message);
    this.#toEnd();
  }

  #content(message) {
    const parts = [];
    if (message.by) parts.push(element("span", "by", message.by));
    for (const address of message.pictures ?? []) parts.push(this.#picture(address));
    if (message.place) parts.push(place(message.place));
    if (message.text) parts.push(element("p", "", message.text));
    parts.push(this.#meta(message));
    return parts;
  }

  #picture(address) {
    const shown = element("img");
    shown.alt = "picture";
    shown.src = address;
    shown.addEventListener("load", () => this.#toEnd());
    shown.addEventListener("error", () => shown.replaceWith(element("p", "", `📎 ${address}`)));
    return shown;
  }

  #meta(message) {
    const meta = element("span", "meta");
    if (message.mine) this.lastAsked = message.at;
    else if (this.lastAsked !== null && !message.by) {
      meta.append(element("span", "took", `after ${duration(message.at - this.lastAsked)}`));
      this.lastAsked = null;
    }
    const time = new Date(message.at).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
    meta.append(element("time", "", time), element("span", "ticks"));
    return meta;
  }

  /** The state of a message: one of TICKS, or "failed" with the reason. */
  mark(id, status, why = "") {
    const bubble = this.bubbles.get(id);
    if (!bubble || !status) return;
    const ticks = bubble.querySelector(".ticks");
    const failed = status === "failed";
    bubble.classList.toggle("failed", failed);
    ticks.className = failed ? "ticks why" : `ticks${status === "read" ? " seen" : ""}`;
    ticks.style.letterSpacing = failed ? "normal" : "";
    ticks.textContent = failed ? `not delivered${why ? `: ${why}` : ""}` : TICKS[status];
    ticks.title = status;
  }

  note(text) {
    this.thread.append(element("li", "note", text));
    this.#toEnd();
  }

  #offer(message) {
    const buttons = (message.mine ? [] : message.choices ?? []).map((choice) => {
      const button = element("button", "", choice.title);
      button.type = "button";
      button.title = choice.hint ?? "";
      button.addEventListener("click", () => {
        this.choices.replaceChildren();
        this.text.focus();
        this.line.send(choice.says);
      });
      return button;
    });
    this.choices.replaceChildren(...buttons);
  }

  #toEnd() {
    this.thread.scrollTop = this.thread.scrollHeight;
  }
}

function element(name, className, text = "") {
  const made = document.createElement(name);
  if (className) made.className = className;
  made.textContent = text;
  return made;
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
