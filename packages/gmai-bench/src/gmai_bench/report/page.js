"use strict";
// Lists the questions of each benchmark. Model and data text enters the page through textContent only.
const NO_ANSWER = ["ambiguous", "refused", "empty", "unparsed"];
const PAGE = 24;
const TYPING_MS = 150;

async function unpack() {
  const packed = atob(document.getElementById("data").textContent);
  const bytes = Uint8Array.from(packed, (character) => character.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return JSON.parse(await new Response(stream).text());
}

function element(tag, className, text) {
  const node = document.createElement(tag);
  if (className) node.className = className;
  if (text !== undefined) node.textContent = text;
  return node;
}

// A row as `report/browse.py` packs it; texts are looked up when they are shown.
const ID = 0, TEXT = 1, IMAGES = 2, CHOICES = 3, REFERENCE = 4, RESPONSE = 5, ANSWER = 6, RULE = 7, SCORE = 8, GROUPS = 9;

function verdictOf(row, rules) {
  if (row[SCORE] === 1) return "right";
  if (NO_ANSWER.includes(rules[row[RULE]])) return "none";
  return row[SCORE] > 0 ? "part" : "wrong";
}

const VERDICTS = { right: "right", wrong: "wrong", none: "no answer found", part: "partly right" };

function unpackRow(row, benchmark) {
  const choices = benchmark.choices[row[CHOICES]];
  const text = (value) => (typeof value === "number" ? choices[value] : value);
  return {
    id: row[ID], text: row[TEXT], images: row[IMAGES], choices, reference: text(row[REFERENCE]),
    response: row[RESPONSE], answer: text(row[ANSWER]), rule: benchmark.rules[row[RULE]], score: row[SCORE],
    verdict: verdictOf(row, benchmark.rules), groups: row[GROUPS].map((value, i) => benchmark.groups[i][value]),
  };
}

// A model's reasoning ends at its last closing tag; what follows is the answer.
function withoutThoughts(response) {
  const closing = [...response.matchAll(/<\/(think|thinking|thought|reasoning)>/gi)].pop();
  if (!closing) return ["", response];
  const end = closing.index + closing[0].length;
  return [response.slice(0, end), response.slice(end)];
}

// Notes of a reader: kept in this browser, saved to a file with "save notes".
const STORE = "gmai-bench-notes:" + document.title;
let notes = {};
try { notes = JSON.parse(localStorage.getItem(STORE) || "{}"); } catch { notes = {}; }
const LABELS = [["right", "right", "1"], ["wrong", "wrong", "2"], ["unclear", "unclear", "3"]];

function keep(protocol, id, change) {
  const key = protocol + "\n" + id;
  notes[key] = { ...notes[key], ...change };
  if (!notes[key].label && !notes[key].note) delete notes[key];
  try { localStorage.setItem(STORE, JSON.stringify(notes)); } catch { /* a browser may refuse; the file still saves */ }
  document.dispatchEvent(new Event("notes"));
}

function saveNotes() {
  const lines = Object.entries(notes).map(([key, value]) => {
    const [protocol, id] = key.split("\n");
    return JSON.stringify({ protocol, id, ...value });
  });
  const link = element("a");
  link.href = URL.createObjectURL(new Blob([lines.join("\n") + "\n"], { type: "application/jsonl" }));
  link.download = "notes.jsonl";
  link.click();
  URL.revokeObjectURL(link.href);
}

function labels(question, protocol) {
  const row = element("div", "labels");
  const buttons = LABELS.map(([value, text, key]) => {
    const button = element("button", "", text);
    button.type = "button";
    button.title = "key " + key;
    button.addEventListener("click", () => mark(value));
    return button;
  });
  const note = element("input");
  note.placeholder = "note";
  note.setAttribute("aria-label", "note");
  note.addEventListener("change", () => keep(protocol, question.id, { note: note.value.trim() || undefined }));
  const show = () => {
    const kept = notes[protocol + "\n" + question.id] || {};
    buttons.forEach((button, i) => button.setAttribute("aria-pressed", String(kept.label === LABELS[i][0])));
    note.value = kept.note || "";
  };
  function mark(value) {
    const kept = (notes[protocol + "\n" + question.id] || {}).label;
    keep(protocol, question.id, { label: kept === value ? undefined : value });
    show();
  }
  row.append(...buttons, note);
  show();
  return [row, mark];
}

function card(question, images, protocol) {
  const node = element("div", "card question");
  node.tabIndex = 0;
  const pictures = element("div", "pictures");
  for (const number of question.images) {
    const [digest, uri] = images[number];
    if (uri === null) {
      pictures.append(element("p", "absent", "images/" + digest));
      continue;
    }
    const image = element("img");
    image.src = uri;
    image.alt = "image of the question";
    pictures.append(image);
  }
  if (question.images.length) node.append(pictures);
  else node.classList.add("no-image");

  const body = element("div");
  body.append(element("h4", "", question.text));
  if (question.choices.length) {
    const choices = element("ul", "choices");
    question.choices.forEach((choice, i) => {
      const state = choice === question.reference ? "reference" : choice === question.answer ? "mistaken" : "";
      const chip = element("li", state);
      chip.append(element("b", "", "ABCDEFGHIJKLMNOPQRSTUVWXYZ"[i]), choice);
      choices.append(chip);
    });
    body.append(choices);
  } else {
    const judged = question.rule === "judged" && question.answer;  // the rubric, with what a judge says of it
    body.append(element("p", "expected", judged ? question.answer : "Reference: " + question.reference));
  }
  const [thought, answer] = withoutThoughts(question.response);
  if (thought) {
    const details = element("details", "thought");
    details.append(element("summary", "", "reasoning (" + thought.split(/\s+/).length + " words)"), element("p", "", thought));
    body.append(details);
  }
  const empty = answer.trim() === "";
  body.append(element("p", empty ? "said nothing" : "said", empty ? "(empty answer)" : answer));
  const meta = element("p", "meta");
  const verdict = question.verdict;
  const label = verdict === "part" ? Math.round(100 * question.score) + " %" : VERDICTS[verdict];
  meta.append(element("span", "verdict " + verdict, label));
  meta.append([question.rule, ...question.groups, question.id].join(" · "));
  body.append(meta);
  const [row, mark] = labels(question, protocol);
  body.append(row);
  node.mark = mark;
  node.append(body);
  return node;
}

// j and k walk through the questions, 1 2 3 label the one in focus, n opens its note.
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || /^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName)) return;
  const cards = [...document.querySelectorAll(".question")];
  const at = cards.indexOf(document.activeElement.closest(".question"));
  if (event.key === "j" || event.key === "k") {
    const next = cards[Math.min(cards.length - 1, Math.max(0, at + (event.key === "j" ? 1 : -1)))];
    if (next) { next.focus(); next.scrollIntoView({ block: "nearest" }); }
  } else if (at >= 0 && ["1", "2", "3"].includes(event.key)) {
    cards[at].mark(LABELS[Number(event.key) - 1][0]);
  } else if (at >= 0 && event.key === "n") {
    event.preventDefault();
    cards[at].querySelector(".labels input").focus();
  }
});

function select(label, values, onChange) {
  const wrapper = element("label", "", label);
  const control = element("select");
  control.append(new Option("all", ""));
  for (const [value, text] of values) control.append(new Option(text, value));
  control.addEventListener("change", onChange);
  wrapper.append(control);
  return [wrapper, control];
}

function pager(turn) {
  const button = (text, step) => {
    const node = element("button", "", text);
    node.type = "button";
    node.addEventListener("click", () => turn((page) => page + step));
    return node;
  };
  const [previous, next] = [button("‹ previous", -1), button("next ›", 1)];
  const field = element("input");
  field.type = "number";
  field.min = "1";
  field.setAttribute("aria-label", "page");
  field.addEventListener("change", () => turn(() => Number(field.value) - 1));
  const total = element("span");
  const show = (page, pages) => {
    [previous.disabled, next.disabled] = [page === 0, page === pages - 1];
    [field.value, field.max, total.textContent] = [page + 1, pages, "of " + pages];
  };
  return { nodes: [previous, field, total, next], show };
}

function browse(section, data) {
  const benchmark = data.benchmarks[Number(section.dataset.benchmark)];
  const { rows, rules, protocol } = benchmark;
  const [review, filters, list, pages] = [".review", ".filters", ".list", ".pages"].map((name) => section.querySelector(name));
  const count = element("span", "count");
  const labelled = element("span");
  const save = element("button", "", "save notes");
  save.type = "button";
  save.addEventListener("click", saveNotes);
  const tell = () => {
    const own = Object.keys(notes).filter((key) => key.startsWith(protocol + "\n")).length;
    labelled.textContent = own + " questions with notes";
    save.disabled = Object.keys(notes).length === 0;
  };
  document.addEventListener("notes", tell);
  const keys = element("span");
  for (const [key, what] of [["j", "next"], ["k", "previous"], ["1 2 3", "right, wrong, unclear"], ["n", "note"]]) {
    keys.append(element("kbd", "", key), " " + what + "  ");
  }
  review.append(labelled, save, keys);
  tell();
  let chosen = rows;
  let page = 0;

  const counted = (key) => {
    const counts = new Map();
    for (const row of rows) counts.set(key(row), (counts.get(key(row)) || 0) + 1);
    return counts;
  };
  const named = (counts, name) =>
    [...counts].map(([value, n]) => [name(value), (VERDICTS[name(value)] || name(value)) + " (" + n + ")"]).sort((a, b) => (a[1] < b[1] ? -1 : 1));
  const [verdictLabel, verdict] = select("verdict", named(counted((r) => verdictOf(r, rules)), (v) => v), choose);
  verdict.dataset.filter = "verdict";
  const byGroup = benchmark.columns.map((name, i) => {
    const values = named(counted((row) => row[GROUPS][i]), (value) => benchmark.groups[i][value]);
    const [label, control] = select(name.replaceAll("_", " "), values, choose);
    control.dataset.filter = name;
    return { label, control };
  });
  const [noteLabel, noted] = select("notes", [["yes", "with a note"], ["no", "without"], ...LABELS.map(([v, t]) => [v, t])], choose);
  noted.dataset.filter = "notes";
  const hasNote = (row) => notes[protocol + "\n" + row[ID]];
  const byNote = (row) => !noted.value || (noted.value === "yes" ? !!hasNote(row) : noted.value === "no" ? !hasNote(row)
    : (hasNote(row) || {}).label === noted.value);
  const [ruleLabel, rule] = select("extraction rule", named(counted((row) => row[RULE]), (value) => rules[value]), choose);
  rule.dataset.filter = "rule";
  const searchLabel = element("label", "", "text");
  const search = element("input");
  search.type = "search";
  search.placeholder = "question or answer";
  let typing;
  search.addEventListener("input", () => { clearTimeout(typing); typing = setTimeout(choose, TYPING_MS); });
  searchLabel.append(search);
  filters.append(verdictLabel, ...byGroup.map((group) => group.label), ruleLabel, noteLabel, searchLabel, count);
  const turning = pager((next) => { page = next(page) || 0; draw(); });
  pages.append(...turning.nodes);

  function choose() {
    const wanted = search.value.trim().toLowerCase();
    const groups = byGroup.map(({ control }) => control.value);
    chosen = rows.filter((row) =>
      (!verdict.value || verdictOf(row, rules) === verdict.value) &&
      (!rule.value || rules[row[RULE]] === rule.value) &&
      byNote(row) &&
      groups.every((value, i) => !value || benchmark.groups[i][row[GROUPS][i]] === value) &&
      (!wanted || (row[TEXT] + "\n" + row[RESPONSE] + "\n" + row[ID]).toLowerCase().includes(wanted)));
    page = 0;
    draw();
  }

  function draw() {
    const last = Math.max(1, Math.ceil(chosen.length / PAGE));
    page = Math.min(Math.max(0, Math.floor(page)), last - 1);
    const shown = chosen.slice(page * PAGE, (page + 1) * PAGE);
    list.replaceChildren(...shown.map((row) => card(unpackRow(row, benchmark), data.images, protocol)));
    count.textContent = chosen.length + " of " + rows.length + " questions";
    pages.hidden = chosen.length <= PAGE;
    turning.show(page, last);
  }
  draw();
}

const sections = document.querySelectorAll(".browse");
unpack().then(
  (data) => sections.forEach((section) => browse(section, data)),
  (error) => sections.forEach((section) => {
    section.append(element("p", "notice", "The questions could not be unpacked (" + error + "). Open the page in a browser of 2023 or later."));
  }),
);
