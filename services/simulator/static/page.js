// The page: which customers there are, and where their messages come from.

import { Card } from "./card.js";
import { WebChatLine } from "./webchat.js";
import { WhatsAppLine } from "./whatsapp.js";

const STORE = "m2n-simulator";
const MOST_CARDS = 8;
const FIRST_CARDS = 4;
const NAMES = ["Alma Moreau", "Ben Okafor", "Chloé Lindt", "Deniz Aydın", "Emma Rossi", "Farid Haddad", "Greta Holm", "Hugo Silva"];

const firstVisit = localStorage.getItem(STORE) === null;
const kept = JSON.parse(localStorage.getItem(STORE) ?? '{"customers":[],"removed":[]}');
const shown = new Map();
const ids = { cards: "cards", add: "add", line: "line", live: "live", nothing: "nothing" };
const at = Object.fromEntries(Object.entries(ids).map(([name, id]) => [name, document.getElementById(id)]));
let setup = { senders: [], webchats: [] };

function save() {
  localStorage.setItem(STORE, JSON.stringify(kept));
}

function live(state, words) {
  at.live.dataset.state = state;
  at.live.textContent = words;
}

function keyOf(customer) {
  return customer.connection ? `webchat ${customer.connection} ${customer.key}` : `${customer.sender} ${customer.phone}`;
}

function lineOf(customer) {
  if (customer.connection) {
    const chat = setup.webchats.find((one) => one.connection === customer.connection);
    return chat && new WebChatLine(customer, chat, save);
  }
  const sender = setup.senders.find((one) => one.sender === customer.sender);
  return sender && new WhatsAppLine(customer, sender.title);
}

function showCustomer(customer) {
  const line = lineOf(customer);
  if (!line) return null;
  const card = new Card(customer.name, line, () => remove(customer));
  at.cards.append(card.root);
  shown.set(keyOf(customer), { card, line });
  line.open(card);
  return card;
}

function add(customer) {
  kept.customers.push(customer);
  save();
  return showCustomer(customer);
}

function remove(customer) {
  const key = keyOf(customer);
  const { card, line } = shown.get(key);
  line.close();
  const next = card.root.nextElementSibling ?? card.root.previousElementSibling;
  card.root.remove();
  shown.delete(key);
  kept.customers = kept.customers.filter((one) => keyOf(one) !== key);
  if (customer.sender) kept.removed.push(key);
  save();
  (next ?? at.line).focus();
}

function freshName() {
  const taken = new Set(kept.customers.map((customer) => customer.name));
  return NAMES.find((name) => !taken.has(name)) ?? `Customer ${kept.customers.length + 1}`;
}

function freshPhone() {
  const digits = crypto.getRandomValues(new Uint32Array(1))[0] % 1_000_000;
  return `+1555${String(1_000_000 + digits)}`;
}

function newCustomer(value) {
  const [kind, id] = JSON.parse(value);
  const name = freshName();
  return kind === "webchat" ? { name, connection: id, key: crypto.randomUUID() } : { name, sender: id, phone: freshPhone() };
}

function writerOf(entry) {
  return { sender: entry.sender, phone: entry.customer, name: entry.profile_name ?? entry.customer, stranger: true };
}

/** Somebody who writes without the page (the demo, a script, curl) gets a card, too. */
function meet(writer) {
  const key = keyOf(writer);
  if (!shown.has(key) && !kept.removed.includes(key) && shown.size < MOST_CARDS) add(writer);
}

function take(entry) {
  shown.get(keyOf(writerOf(entry)))?.line.take(entry);
}

function offerLines() {
  const group = (label, options) => {
    const made = document.createElement("optgroup");
    made.label = label;
    made.append(...options.map(([value, title]) => new Option(title, JSON.stringify(value))));
    return made;
  };
  at.line.replaceChildren(
    group("WhatsApp", setup.senders.map((one) => [["whatsapp", one.sender], `WhatsApp with ${one.title}`])),
    group("Web chat", setup.webchats.map((one) => [["webchat", one.connection], `Web chat with ${one.title}`])),
  );
  const empty = setup.senders.length + setup.webchats.length === 0;
  at.add.hidden = empty;
  at.nothing.hidden = !empty;
}

/** A customer for every line that has none yet, up to a few. */
function begin() {
  const used = new Set(kept.customers.map((customer) => customer.connection ?? customer.sender));
  const free = [...at.line.options].filter((option) => !used.has(JSON.parse(option.value)[1]));
  for (const option of free.slice(0, FIRST_CARDS)) add(newCustomer(option.value));
}

async function ledger() {
  const lines = (await (await fetch("/control/ledger")).text()).split("\n").filter(Boolean);
  return lines.map((line) => JSON.parse(line));
}

/** The customers we were, the latest who wrote without the page, and what all of them said. */
function showAll(entries) {
  const writers = new Map();
  for (const entry of entries) {
    if (entry.kind !== "inbound") continue;
    const writer = writerOf(entry);
    writers.delete(keyOf(writer));
    writers.set(keyOf(writer), writer);
  }
  // The simulator forgets conversations when it ends; of a stranger nothing would be left to show.
  kept.customers = kept.customers.filter((customer) => !customer.stranger || writers.has(keyOf(customer)));
  kept.customers.forEach(showCustomer);
  [...writers.values()].slice(-FIRST_CARDS).forEach(meet);
  entries.forEach(take);
}

function follow(after) {
  const events = new EventSource(`/control/events?after=${after}`);
  events.onopen = () => live("live", "live");
  events.onmessage = (event) => {
    const entry = JSON.parse(event.data);
    if (entry.kind === "inbound") meet(writerOf(entry));
    take(entry);
  };
  events.onerror = () => live("lost", "reconnecting");
}

async function start() {
  let entries;
  try {
    setup = await (await fetch("/control/setup")).json();
    entries = await ledger();
  } catch {
    live("lost", "out of reach");
    setTimeout(start, 2000);
    return;
  }
  offerLines();
  if (setup.senders.length + setup.webchats.length === 0) {
    live("waiting", "waiting for senders");
    setTimeout(start, 2000);
    return;
  }
  showAll(entries);
  if (firstVisit || shown.size === 0) begin();
  follow(entries.at(-1)?.n ?? 0);
}

at.add.addEventListener("submit", (event) => {
  event.preventDefault();
  const card = add(newCustomer(at.line.value));
  card.root.scrollIntoView({ behavior: "smooth", block: "nearest" });
  card.text.focus();
});

start();
