// The page: which customers there are, and where their messages come from.

import { Card } from "./card.js";
import { Line } from "./line.js";
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
let lines = [];
let arriving = Promise.resolve();

function save() {
  localStorage.setItem(STORE, JSON.stringify(kept));
}

function live(state, words) {
  at.live.dataset.state = state;
  at.live.textContent = words;
}

function keyOf({ channel, connection, customer, key, sender, phone }) {
  if (channel) return `${channel} ${connection} ${customer}`;
  return connection ? `webchat ${connection} ${key}` : `${sender} ${phone}`;
}

function lineOf(customer) {
  if (customer.channel) {
    const line = lines.find((one) => one.channel === customer.channel && one.connection === customer.connection);
    return line && new Line(customer, line);
  }
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
  kept.customers = [...kept.customers.filter((one) => keyOf(one) !== keyOf(customer)), customer];
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
  if (customer.sender || customer.channel) kept.removed.push(key);
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
  if (kind === "webchat") return { name, connection: id, key: crypto.randomUUID() };
  return kind === "whatsapp" ? { name, sender: id, phone: freshPhone() } : { name, channel: kind, connection: id, customer: freshPhone() };
}

/** Who an entry of the ledger is about; null: nobody that there is a line for. */
function writerOf(entry) {
  const { channel, line: connection, customer, sender } = entry;
  const name = entry.profile_name || entry.name || customer;
  if (lines.some((one) => one.channel === channel && one.connection === connection)) {
    return { channel, connection, customer, name, stranger: true };
  }
  return sender ? { sender, phone: customer, name, stranger: true } : null;
}

/** Somebody who writes without the page (the demo, a script, curl) gets a card, too. */
function meet(writer) {
  if (!writer) return;
  const key = keyOf(writer);
  if (!shown.has(key) && !kept.removed.includes(key) && shown.size < MOST_CARDS) add(writer);
}

function take(entry) {
  const writer = writerOf(entry);
  if (writer) shown.get(keyOf(writer))?.line.take(entry);
}

/** The choices of the select, by channel: [channel, [[value, title], ...]]. */
function offers() {
  const found = new Map([
    ["WhatsApp", setup.senders.map((one) => [["whatsapp", one.sender], one.title])],
    ["Web chat", setup.webchats.map((one) => [["webchat", one.connection], one.title])],
  ]);
  for (const { channel, channel_title: title, connection, title: whose } of lines) {
    found.set(title, [...(found.get(title) ?? []), [[channel, connection], whose]]);
  }
  return [...found].filter(([, options]) => options.length > 0);
}

function offerLines() {
  const groups = offers().map(([channel, options]) => {
    const group = document.createElement("optgroup");
    group.label = channel;
    group.append(...options.map(([value, title]) => new Option(`${channel} with ${title}`, JSON.stringify(value))));
    return group;
  });
  at.line.replaceChildren(...groups);
  at.add.hidden = groups.length === 0;
  at.nothing.hidden = groups.length > 0;
}

/** A customer for lines that have none yet: one on each channel first, up to a few in all. */
function begin() {
  const used = new Set(kept.customers.map((customer) => customer.connection ?? customer.sender));
  const groups = offers().map(([, options]) => options.filter(([value]) => !used.has(value[1])));
  const firsts = groups.map((options) => options[0]).filter(Boolean);
  const others = groups.flatMap((options) => options.slice(1));
  for (const [value] of [...firsts, ...others].slice(0, FIRST_CARDS)) add(newCustomer(JSON.stringify(value)));
}

/** What is set up. WhatsApp through Twilio is offered by its senders, where there are some. */
async function load() {
  setup = await (await fetch("/control/setup")).json();
  const offered = (await (await fetch("/control/lines")).json()).lines;
  lines = offered.filter((one) => one.channel !== "whatsapp_twilio" || setup.senders.length === 0);
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
    if (!writer) continue;
    writers.delete(keyOf(writer));
    writers.set(keyOf(writer), writer);
  }
  // The simulator forgets conversations when it ends; of a stranger nothing would be left to show.
  kept.customers = kept.customers.filter((customer) => !customer.stranger || writers.has(keyOf(customer)));
  kept.customers.forEach(showCustomer);
  [...writers.values()].slice(-FIRST_CARDS).forEach(meet);
  entries.forEach(take);
}

function isNew({ channel, line }) {
  return Boolean(line) && channel !== "whatsapp_twilio" && !lines.some((one) => one.channel === channel && one.connection === line);
}

/** One after the other, since a line that was set up meanwhile must be asked for first. */
async function arrive(entry) {
  if (entry.kind === "inbound") {
    if (isNew(entry)) {
      await load();
      offerLines();
    }
    meet(writerOf(entry));
  }
  take(entry);
}

function follow(after) {
  const events = new EventSource(`/control/events?after=${after}`);
  events.onopen = () => live("live", "live");
  events.onmessage = (event) => {
    arriving = arriving.then(() => arrive(JSON.parse(event.data))).catch(() => live("lost", "reconnecting"));
  };
  events.onerror = () => live("lost", "reconnecting");
}

async function start() {
  let entries;
  try {
    await load();
    entries = await ledger();
  } catch {
    live("lost", "out of reach");
    setTimeout(start, 2000);
    return;
  }
  offerLines();
  if (offers().length === 0) {
    live("waiting", "waiting for lines");
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
