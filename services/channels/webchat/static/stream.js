// What comes from the server: a stream of events, or a long poll where no stream gets through.

const FIRST_BYTE_MS = 10_000;
const SILENT_MS = 40_000;
const STEADY_MS = 10_000;
const POLL_S = 20;
const LONGEST_PAUSE_MS = 30_000;

export class Stream {
  /** `event` gets {event, id, data}; `state` gets "open" or "away", with the error. */
  constructor({ api, event, state }) {
    Object.assign(this, { api, event, state });
    this.polls = typeof ReadableStream === "undefined" || typeof TextDecoder === "undefined";
    this.restart();
  }

  /** Forgets what was read. */
  restart() {
    this.last = null;
    this.readTo = null;
    this.polled = false;
  }

  get runs() {
    return this.control !== undefined;
  }

  start() {
    if (this.runs) return;
    this.control = new AbortController();
    this.#run(this.control);
  }

  stop() {
    this.control?.abort();
    this.control = undefined;
  }

  /** Tries again now instead of after the pause. */
  hurry() {
    this.wake?.();
  }

  async #run(control) {
    let tries = 0;
    while (!control.signal.aborted) {
      const began = Date.now();
      let failed;
      try {
        await (this.polls ? this.#poll(control) : this.#listen(control));
      } catch (error) {
        failed = error;
      }
      if (control.signal.aborted) return;
      if (failed) this.state("away", failed);
      const steady = Date.now() - began > STEADY_MS || (this.polls && !failed);
      tries = steady ? 0 : tries + 1;
      this.opened = false;
      if (failed?.after) await this.#pause(failed.after * 1000);
      else if (failed || tries > 1) await this.#pause(pauseMs(Math.max(tries, 1)));
    }
  }

  /** One stream until it ends, which it does at the latest when its token runs out. */
  #listen(control) {
    return this.#watched(control, async (signal, watch) => {
      watch.within(FIRST_BYTE_MS, () => { this.polls = true; });  // something on the way keeps it back
      const answer = await this.api.read("events", { last: this.last, signal });
      if (!answer.body?.getReader) this.polls = true;
      else await this.#read(answer.body.getReader(), watch);
    });
  }

  /** Does what takes long, and ends it when nothing comes for too long. */
  async #watched(control, work) {
    const one = new AbortController();
    const stop = () => one.abort();
    control.signal.addEventListener("abort", stop);
    const watch = new Watch(stop);
    try {
      await work(one.signal, watch);
    } finally {
      watch.end();
      control.signal.removeEventListener("abort", stop);
      stop();
    }
  }

  async #read(reader, watch) {
    const decoder = new TextDecoder();
    let rest = "";
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      watch.within(SILENT_MS);
      this.#isOpen();
      const blocks = (rest + decoder.decode(value, { stream: true })).split(/\r?\n\r?\n/);
      rest = blocks.pop();
      for (const block of blocks) this.#take(parsed(block));
    }
  }

  #poll(control) {
    return this.#watched(control, async (signal, watch) => {
      watch.within(SILENT_MS);
      const query = { wait: this.polled ? POLL_S : 0, ...(this.readTo && { read_to: this.readTo }) };
      const answer = await this.api.read("messages", { last: this.last, query, signal });
      const { events } = await answer.json();
      this.#isOpen();
      for (const event of events) this.#take(event);
      if (!this.polled) this.event({ event: "status", data: { read_to: this.readTo } });
      this.polled = true;
    });
  }

  #isOpen() {
    if (this.opened) return;
    this.opened = true;
    this.state("open");
  }

  #take(event) {
    if (!event) return;
    if (event.id) this.last = event.id;
    if (event.event === "status" && "read_to" in event.data) this.readTo = event.data.read_to;
    this.event(event);
  }

  #pause(milliseconds) {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, milliseconds);
      this.wake = () => { clearTimeout(timer); resolve(); };
    });
  }
}

/** Does something unless it is told to wait anew. */
class Watch {
  constructor(late) {
    this.late = late;
  }

  within(milliseconds, before) {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => { before?.(); this.late(); }, milliseconds);
  }

  end() {
    clearTimeout(this.timer);
  }
}

/** One event of a stream; nothing for comments. */
function parsed(block) {
  const event = { event: "message" };
  let data = "";
  for (const line of block.split(/\r?\n/)) {
    const [, field, value] = /^(\w*):? ?(.*)$/.exec(line) ?? [];
    if (field === "data") data += value;
    else if (field === "id" || field === "event") event[field] = value;
  }
  return data ? { ...event, data: JSON.parse(data) } : undefined;
}

/** Longer with each try, and never the same for all pages. */
export function pauseMs(tries) {
  return Math.min(1000 * 2 ** (tries - 1), LONGEST_PAUSE_MS) * (0.5 + Math.random());
}
