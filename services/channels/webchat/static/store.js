// What outlasts a page: the visitor's token, how far they have read, and what has not been sent yet.

export class Store {
  constructor(connection) {
    this.prefix = `m2n-chat:${connection}:`;
    this.places = usable() ? localStorage : new Memory();
    this.unkept = new Map();
  }

  get(name) {
    if (this.unkept.has(name)) return this.unkept.get(name);
    try {
      return JSON.parse(this.places.getItem(this.prefix + name));
    } catch {
      return null;
    }
  }

  set(name, value) {
    try {
      if (value === null) this.places.removeItem(this.prefix + name);
      else this.places.setItem(this.prefix + name, JSON.stringify(value));
      this.unkept.delete(name);
    } catch {
      this.unkept.set(name, value);  // the browser's room for this site is full: it is gone with the page
    }
  }

  /** Calls back when another tab of this site has changed it. */
  watch(name, changed) {
    window.addEventListener("storage", (event) => {
      if (event.key === this.prefix + name) changed();
    });
  }

  /** Runs `work` in one tab of this site at a time. */
  alone(name, work) {
    return navigator.locks ? navigator.locks.request(this.prefix + name, work) : work();
  }
}

class Memory {
  values = new Map();
  getItem = (key) => this.values.get(key) ?? null;
  setItem = (key, value) => this.values.set(key, value);
  removeItem = (key) => this.values.delete(key);
}

/** Browsers may forbid it, by raising an error. */
function usable() {
  try {
    localStorage.setItem("m2n-chat", "");
    localStorage.removeItem("m2n-chat");
    return true;
  } catch {
    return false;
  }
}

/** 128 random bits; `crypto.randomUUID` is not there on pages without TLS. */
export function newId() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
