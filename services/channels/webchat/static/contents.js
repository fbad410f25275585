// What is in a message, as elements. Nothing in it is trusted: texts are text, addresses are looked at.

import { h, hidden, icon, link, linked, safeAddress } from "./dom.js";

const MEDIA = { image, sticker, audio, video, file };

/** The content's elements; `choose` gets what the visitor picks of it. */
export function shown(content, texts, choose) {
  const make = { ...MEDIA, location, contact_card: contacts, buttons, list }[content.type];
  try {
    if (make) return make(content, texts, choose);
    if (content.text ?? content.title) return [words(content.text ?? content.title)];
  } catch (error) {
    console.warn("M2N chat: a message cannot be shown", error);
  }
  return [h("p", { class: "words unknown" }, h("span", {}, texts.unsupported))];
}

function words(text) {
  return h("p", { class: "words" }, h("span", { dir: "auto" }, ...linked(text)));
}

function captioned(content, element) {
  return content.caption ? [element, words(content.caption)] : [element];
}

function image(content, texts) {
  const address = safeAddress(content.media.url) ?? content.media.preview;
  if (!address) return file(content, texts);
  const picture = h("img", { src: address, alt: content.caption || content.media.filename || texts.picture, referrerpolicy: "no-referrer" });
  const whole = content.media.preview ? picture : link(address, picture, hidden(` (${texts.new_tab})`));
  const frame = h("div", { class: "picture" }, whole);
  picture.addEventListener("error", () => frame.replaceWith(card(content.media, texts)));
  return captioned(content, frame);
}

function sticker(content, texts) {
  const address = safeAddress(content.media.url);
  if (!address) return [words(content.emoji || texts.sticker)];
  return [h("img", { class: "sticker", src: address, alt: content.emoji || texts.sticker, referrerpolicy: "no-referrer" })];
}

function audio(content, texts) {
  const address = safeAddress(content.media.url);
  if (!address) return file(content, texts);
  return captioned(content, h("audio", { controls: true, preload: "metadata", src: address, "aria-label": texts.audio }));
}

function video(content, texts) {
  const address = safeAddress(content.media.url);
  if (!address) return file(content, texts);
  return captioned(content, h("video", { controls: true, preload: "metadata", src: address, "aria-label": texts.video }));
}

function file(content, texts) {
  return captioned(content, card(content.media, texts));
}

/** A file by its name. */
function card(media, texts) {
  const name = h("span", { class: "name", dir: "auto" }, media.filename || texts.file);
  const about = h("span", { class: "about" }, name, media.size_bytes ? h("span", { class: "size" }, size(media.size_bytes, texts)) : null);
  const address = safeAddress(media.url);
  if (!address) return h("div", { class: "card" }, icon("file"), about);
  const whole = link(address, icon("file"), about, hidden(` (${texts.new_tab})`));
  whole.className = "card";
  return whole;
}

export function size(bytes, texts) {
  const unit = bytes < 1_000_000 ? "kilobyte" : "megabyte";
  const value = bytes / (unit === "kilobyte" ? 1000 : 1_000_000);
  const format = { style: "unit", unit, maximumFractionDigits: value < 10 ? 1 : 0 };
  return new Intl.NumberFormat(texts.locale, format).format(Math.max(value, 0.1));
}

function location(content, texts) {
  const { latitude, longitude, name, address } = content;
  const place = `https://www.openstreetmap.org/?mlat=${Number(latitude)}&mlon=${Number(longitude)}#map=16/${Number(latitude)}/${Number(longitude)}`;
  const about = h(
    "span", { class: "about" },
    h("span", { class: "name", dir: "auto" }, name || address || texts.location),
    name && address ? h("span", { class: "size", dir: "auto" }, address) : null,
    h("span", { class: "size" }, texts.open_map),
  );
  const whole = link(place, icon("pin"), about, hidden(` (${texts.new_tab})`));
  whole.className = "card";
  return [whole];
}

function contacts(content) {
  return content.contacts.map((contact) =>
    h(
      "div", { class: "card" }, icon("person"),
      h(
        "span", { class: "about" },
        h("span", { class: "name", dir: "auto" }, contact.name),
        ...(contact.phones ?? []).map((phone) => reached("tel:", phone.replace(/[^+\d]/g, ""), phone)),
        ...(contact.emails ?? []).map((email) => reached("mailto:", encodeURIComponent(email).replace(/%40/g, "@"), email)),
      ),
    ));
}

function reached(scheme, address, text) {
  return h("a", { href: scheme + address, dir: "ltr" }, text);
}

function buttons(content, texts, choose) {
  const chips = content.buttons.map(({ id, title }) => choice({ id, title }, choose, "chip"));
  return [words(content.text), h("div", { class: "chips", role: "group", "aria-label": texts.choices }, ...chips)];
}

function list(content, texts, choose) {
  const rows = content.items.map((item) => choice(item, choose, "row"));
  const offered = h("details", { class: "list", open: rows.length <= 6 }, h("summary", {}, content.button), ...rows);
  return [words(content.text), offered];
}

function choice({ id, title, description }, choose, kind) {
  const about = description ? h("span", { class: "size" }, description) : null;
  const button = h("button", { type: "button", class: `choice ${kind}`, dir: "auto" }, h("span", {}, title), about);
  button.addEventListener("click", () => {
    button.classList.add("picked");
    choose({ id, title });
  });
  return button;
}
