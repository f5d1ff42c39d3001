"use strict";
// Everything that comes from the replica is put in as text: nothing of a question or a document is ever HTML.

const at = (id) => document.getElementById(id);
let key = "";
let item = null;
let busy = false;

async function send(body) {
  if (busy) return;
  busy = true;
  try {
    const headers = { "content-type": "application/json" };
    if (key) headers.authorization = `Bearer ${key}`;
    const answer = await fetch("/v1/judge", { method: "POST", headers, body: JSON.stringify(body) });
    const said = await answer.json();
    if (answer.status === 401) askForKey();
    else if (!answer.ok) tell(`${said.title}: ${said.detail}`);
    else show(said);
  } catch (error) {
    tell("The replica does not answer; press the key again.");
  } finally {
    busy = false;
  }
}

function askForKey() {
  if (key) tell("This key belongs to nobody.");
  key = "";
  item = null;
  for (const id of ["item", "nothing", "keys"]) at(id).hidden = true;
  at("entry").hidden = false;
  at("key").focus();
}

function tell(text) {
  at("problem").textContent = text;
  at("problem").hidden = false;
}

function show(said) {
  item = said.item;
  at("problem").hidden = true;
  at("entry").hidden = true;
  at("keys").hidden = false;
  at("agreement").textContent = said.agreement;
  at("progress").textContent = said.questions ? `question ${said.place} of ${said.questions} · ${said.judged} judged` : "";
  at("item").hidden = !item;
  at("nothing").hidden = Boolean(item);
  if (!item) {
    at("nothing").textContent = `Nothing left: ${said.says}.`;
    at("nothing").focus();
    return;
  }
  at("question").textContent = item.question;
  at("document").textContent = [item.title, item.document_id].filter(Boolean).join(" · ");
  at("passages").replaceChildren(...item.passages.map(passage));
  window.scrollTo(0, 0);
  at("item").focus();
}

function passage(one) {
  const section = document.createElement("section");
  if (one.heading) {
    const heading = document.createElement("h3");
    heading.textContent = one.heading;
    section.append(heading);
  }
  const text = document.createElement("p");
  text.textContent = one.text;
  section.append(text);
  return section;
}

function press(name) {
  if (name === "u") send({ undo: true });
  else if (item && "012s".includes(name)) {
    const grade = name === "s" ? null : Number(name);
    send({ query_id: item.query_id, document_id: item.document_id, grade });
  }
}

document.addEventListener("keydown", (event) => {
  const typing = event.target instanceof HTMLInputElement;
  if (typing || event.repeat || event.ctrlKey || event.metaKey || event.altKey || event.key.length !== 1) return;
  press(event.key.toLowerCase());
});
at("keys").addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (button) press(button.dataset.key);
});
at("entry").addEventListener("submit", (event) => {
  event.preventDefault();
  key = at("key").value.trim();
  at("key").value = "";
  send({});
});
send({});
