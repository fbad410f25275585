// What the visitor said and the server does not have yet: kept over reloads, sent in order, each under one id.

import { pauseMs } from "./stream.js";

const MOST = 100;

export class Outbox {
  /** `changed` gets an item and its status: sending, sent or failed; `trouble` gets an error, or nothing when it is over. */
  constructor({ api, store, changed, trouble }) {
    Object.assign(this, { api, store, changed, trouble });
    this.tries = 0;
  }

  get items() {
    return this.store.get("outbox") ?? [];
  }

  set items(items) {
    this.store.set("outbox", items.length ? items.slice(-MOST) : null);
  }

  add(item) {
    this.items = [...this.items, item];
    this.flush();
  }

  again(echoId) {
    this.items = this.items.map((item) => (item.echo_id === echoId ? { ...item, failed: undefined } : item));
    this.flush();
  }

  remove(echoId) {
    this.items = this.items.filter((item) => item.echo_id !== echoId);
  }

  clear() {
    this.items = [];
    this.trouble();
  }

  /** Sends all there is; called as often as there may be hope. */
  async flush() {
    clearTimeout(this.timer);
    if (this.busy) {
      this.more = true;
      return;
    }
    this.busy = true;
    try {
      while (await this.store.alone("outbox", () => this.#sendFirst())) this.tries = 0;
    } finally {
      this.busy = false;
    }
    if (this.more) {
      this.more = false;
      this.flush();
    }
  }

  /** Whether there may be more to send now. */
  async #sendFirst() {
    const item = this.items.find((one) => !one.failed);
    if (!item) return false;
    try {
      await this.api.post({ echo_id: item.echo_id, ...item.body });
    } catch (error) {
      return this.#failed(item, error);
    }
    this.remove(item.echo_id);
    this.trouble();
    this.changed(item, "sent");
    return true;
  }

  #failed(item, error) {
    if (error.status >= 400 && error.status < 500 && ![408, 429].includes(error.status)) {
      this.items = this.items.map((one) => (one.echo_id === item.echo_id ? { ...one, failed: true } : one));
      this.changed(item, "failed");
      return true;
    }
    this.tries += 1;
    this.timer = setTimeout(() => this.flush(), error.after ? error.after * 1000 : pauseMs(this.tries));
    this.trouble(error);
    return false;
  }
}
