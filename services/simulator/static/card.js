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
const PLACE = { latitude: 52.0907, longitude: 5.1214, label: "Dom Tower", address: "Domplein 29, Utrecht" };

export class Card {
  /** `line` has: kind, channel, title, detail, pictures, send({text | choice | location | picture}), false if not taken. */
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
    this.composer.addEventListener("submit", async (event) => {
      event.preventDefault();
      const text = this.text.value;
      if (!text.trim()) return;
      this.text.value = "";
      if (!(await this.line.send({ text })) && !this.text.value) this.text.value = text;
    });
  }

  /** Who reads the end goes on reading the end, whatever changes the thread's size; who scrolled up is left alone. */
  #followEnd() {
    this.thread.addEventListener("scroll", () => {
      const below = this.thread.scrollHeight - this.thread.scrollTop - this.thread.clientHeight;
      this.atEnd = below < NEAR_END_PX;
    });
    new ResizeObserver(() => this.#toEnd()).observe(this.thread);
  }

  /** Show a message {id, mine, text, by, at (ms), place, pictures, choices, status}, or change the one of that id. */
  show(message) {
    const known = this.bubbles.get(message.id);
    const bubble = known ?? element("div");
    bubble.replaceChildren(...this.#content(message));
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
    if (!bubble || !status) return;
    const ticks = bubble.querySelector(".ticks");
    const failed = status === "failed";
    bubble.classList.toggle("failed", failed);
    ticks.className = `ticks ${failed ? "why" : status}`;
    ticks.title = failed ? "" : MARKS[status][1];
    ticks.replaceChildren(failed ? `not delivered${why ? `: ${why}` : ""}` : drawn(...MARKS[status]));
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
