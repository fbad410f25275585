// Making elements. Texts become text nodes, never markup; nothing here is an inline script or style.

const SVG = "http://www.w3.org/2000/svg";
const LINK = /\bhttps?:\/\/[^\s<>"'`]+/gi;

const ICONS = {
  chat: "M12 3C6.5 3 2 6.8 2 11.5c0 2.5 1.3 4.7 3.3 6.3-.1 1-.5 2.2-1.3 3.2 1.9-.2 3.5-.9 4.7-1.7 1 .3 2.1.4 3.3.4 5.5 0 10-3.8 10-8.2S17.5 3 12 3Z",
  close: "M6.4 5 5 6.4 10.6 12 5 17.6 6.4 19 12 13.4 17.6 19 19 17.6 13.4 12 19 6.4 17.6 5 12 10.6Z",
  down: "M12 16.5 4.5 9 6 7.5l6 6 6-6L19.5 9Z",
  send: "M3 20.5V14l8-2-8-2V3.5L21.5 12Z",
  clip: "M16.5 6v10.5a4.5 4.5 0 0 1-9 0V5.5a3 3 0 0 1 6 0V15a1.5 1.5 0 0 1-3 0V6.5H9V15a3 3 0 0 0 6 0V5.5a4.5 4.5 0 0 0-9 0v11a6 6 0 0 0 12 0V6Z",
  file: "M6 2h8l5 5v15H6a1 1 0 0 1-1-1V3a1 1 0 0 1 1-1Zm7 1.8V8h4.2Z",
  pin: "M12 2a7 7 0 0 0-7 7c0 5 7 13 7 13s7-8 7-13a7 7 0 0 0-7-7Zm0 9.5A2.5 2.5 0 1 1 12 6.5a2.5 2.5 0 0 1 0 5Z",
  person: "M12 12a4.5 4.5 0 1 0 0-9 4.5 4.5 0 0 0 0 9Zm0 2c-4.4 0-8 2.2-8 5v2h16v-2c0-2.8-3.6-5-8-5Z",
  bot: "M13 2v2.5h5A2.5 2.5 0 0 1 20.5 7v9a2.5 2.5 0 0 1-2.5 2.5H9L5 22v-3.6A2.5 2.5 0 0 1 3.5 16V7A2.5 2.5 0 0 1 6 4.5h5V2Zm-4 8a1.5 1.5 0 1 0 0 3 1.5 1.5 0 0 0 0-3Zm6 0a1.5 1.5 0 1 0 0 3 1.5 1.5 0 0 0 0-3Z",
  clock: "M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18Zm0 2a7 7 0 1 1 0 14 7 7 0 0 1 0-14Zm-1 2v6l5 2.8.9-1.6L13 12V7Z",
  check: "M9.5 18 3.5 12l1.5-1.5 4.5 4.5L19.5 5 21 6.5Z",
  checks: "M7 18 1 12l1.5-1.5L7 15l1-1 1.5 1.5Zm5.5 0-6-6L8 10.5l4.5 4.5L22 5.5 23.5 7Z",
  warning: "M12 3 1.5 21h21Zm-1 6.5h2v6h-2Zm0 7.5h2v2h-2Z",
};

/** An element with attributes and listeners (`onclick: …`), and children: elements or texts. */
export function h(name, attributes = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value === undefined || value === null || value === false) continue;
    if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else element.setAttribute(key, value === true ? "" : value);
  }
  element.append(...children.filter((child) => child !== undefined && child !== null && child !== false));
  return element;
}

export function icon(name) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("aria-hidden", "true");
  svg.setAttribute("class", `icon icon-${name}`);
  const path = document.createElementNS(SVG, "path");
  path.setAttribute("d", ICONS[name]);
  svg.append(path);
  return svg;
}

/** What only screen readers get. */
export function hidden(text) {
  return h("span", { class: "hidden" }, text);
}

/** The address, if a page of anybody's may be sent there: http or https, and no name of a user in front of the host. */
export function safeAddress(address) {
  try {
    const url = new URL(address);
    return ["http:", "https:"].includes(url.protocol) && !url.username && !url.password ? url.href : null;
  } catch {
    return null;
  }
}

export function link(address, ...children) {
  const attributes = { href: address, target: "_blank", rel: "noopener noreferrer nofollow", referrerpolicy: "no-referrer" };
  return h("a", attributes, ...children);
}

/** A text with its web addresses as links, as nodes. */
export function linked(text) {
  const nodes = [];
  let from = 0;
  for (const found of text.matchAll(LINK)) {
    const address = trimmed(found[0]);
    const safe = safeAddress(address);
    if (!safe) continue;
    nodes.push(text.slice(from, found.index), link(safe, address));
    from = found.index + address.length;
  }
  return [...nodes, text.slice(from)].filter((node) => node !== "");
}

/** Without what belongs to the sentence: full stops, and closing brackets that were not opened in the address. */
function trimmed(address) {
  let end = address.length;
  while (/[.,;:!?…。،؟]/.test(address[end - 1]) || unopened(address.slice(0, end))) end -= 1;
  return address.slice(0, end);
}

function unopened(address) {
  const pair = { ")": "(", "]": "[", "}": "{" }[address.at(-1)];
  return pair !== undefined && address.split(pair).length < address.split(address.at(-1)).length;
}
