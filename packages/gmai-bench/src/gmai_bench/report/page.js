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

function card(question, images) {
  const node = element("div", "card question");
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
    for (const choice of question.choices) {
      const state = choice === question.reference ? "reference" : choice === question.answer ? "mistaken" : "";
      choices.append(element("li", state, choice));
    }
    body.append(choices);
  } else {
    body.append(element("p", "expected", "Reference: " + question.reference));
  }
  const empty = question.response.trim() === "";
  body.append(element("p", empty ? "said nothing" : "said", empty ? "(empty answer)" : question.response));
  const meta = element("p", "meta");
  const verdict = question.verdict;
  const label = verdict === "part" ? Math.round(100 * question.score) + " % of the words" : VERDICTS[verdict];
  meta.append(element("span", "verdict " + verdict, label));
  meta.append([question.rule, ...question.groups, question.id].join(" · "));
  body.append(meta);
  node.append(body);
  return node;
}

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
  const { rows, rules } = benchmark;
  const [filters, list, pages] = [".filters", ".list", ".pages"].map((name) => section.querySelector(name));
  const count = element("span", "count");
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
  const [ruleLabel, rule] = select("extraction rule", named(counted((row) => row[RULE]), (value) => rules[value]), choose);
  rule.dataset.filter = "rule";
  const searchLabel = element("label", "", "text");
  const search = element("input");
  search.type = "search";
  search.placeholder = "question or answer";
  let typing;
  search.addEventListener("input", () => { clearTimeout(typing); typing = setTimeout(choose, TYPING_MS); });
  searchLabel.append(search);
  filters.append(verdictLabel, ...byGroup.map((group) => group.label), ruleLabel, searchLabel, count);
  const turning = pager((next) => { page = next(page) || 0; draw(); });
  pages.append(...turning.nodes);

  function choose() {
    const wanted = search.value.trim().toLowerCase();
    const groups = byGroup.map(({ control }) => control.value);
    chosen = rows.filter((row) =>
      (!verdict.value || verdictOf(row, rules) === verdict.value) &&
      (!rule.value || rules[row[RULE]] === rule.value) &&
      groups.every((value, i) => !value || benchmark.groups[i][row[GROUPS][i]] === value) &&
      (!wanted || (row[TEXT] + "\n" + row[RESPONSE] + "\n" + row[ID]).toLowerCase().includes(wanted)));
    page = 0;
    draw();
  }

  function draw() {
    const last = Math.max(1, Math.ceil(chosen.length / PAGE));
    page = Math.min(Math.max(0, Math.floor(page)), last - 1);
    const shown = chosen.slice(page * PAGE, (page + 1) * PAGE);
    list.replaceChildren(...shown.map((row) => card(unpackRow(row, benchmark), data.images)));
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
