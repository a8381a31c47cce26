"use strict";
// Lists the questions of each benchmark. Model and data text enters the page through textContent only.
const data = JSON.parse(document.getElementById("data").textContent);
const NO_ANSWER = ["ambiguous", "refused", "empty", "unparsed"];
const PAGE = 24;

function element(tag, className, text) {
  const node = document.createElement(tag);
  if (className) node.className = className;
  if (text !== undefined) node.textContent = text;
  return node;
}

function verdictOf(question) {
  if (question.score === 1) return "right";
  if (NO_ANSWER.includes(question.rule)) return "none";
  return question.score > 0 ? "part" : "wrong";
}

const VERDICTS = { right: "right", wrong: "wrong", none: "no answer found", part: "partly right" };

function card(question) {
  const node = element("div", "card question");
  const pictures = element("div", "pictures");
  for (const digest of question.images) {
    const image = element("img");
    image.src = data.images[digest];
    image.alt = "image of the question";
    image.loading = "lazy";
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
  const verdict = verdictOf(question);
  const label = verdict === "part" ? Math.round(100 * question.score) + " % of the words" : VERDICTS[verdict];
  meta.append(element("span", "verdict " + verdict, label));
  meta.append([question.rule, ...Object.values(question.groups), question.id].join(" · "));
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

function browse(section) {
  const { questions, groups } = data.benchmarks[Number(section.dataset.benchmark)];
  const filters = section.querySelector(".filters");
  const list = section.querySelector(".list");
  const more = section.querySelector(".more");
  const count = element("span", "count");
  let shown = PAGE;

  const restart = () => { shown = PAGE; draw(); };
  const counted = (key) => {
    const counts = new Map();
    for (const question of questions) counts.set(key(question), (counts.get(key(question)) || 0) + 1);
    return [...counts].sort((a, b) => (a[0] < b[0] ? -1 : 1));
  };
  const verdicts = counted(verdictOf).map(([value, n]) => [value, VERDICTS[value] + " (" + n + ")"]);
  const [verdictLabel, verdict] = select("verdict", verdicts, restart);
  verdict.dataset.filter = "verdict";
  const byGroup = groups.map((name) => {
    const values = counted((question) => question.groups[name]).map(([value, n]) => [value, value + " (" + n + ")"]);
    const [label, control] = select(name.replaceAll("_", " "), values, restart);
    control.dataset.filter = name;
    return { name, label, control };
  });
  const rules = counted((question) => question.rule).map(([value, n]) => [value, value + " (" + n + ")"]);
  const [ruleLabel, rule] = select("extraction rule", rules, restart);
  rule.dataset.filter = "rule";
  const searchLabel = element("label", "", "text");
  const search = element("input");
  search.type = "search";
  search.placeholder = "question or answer";
  search.addEventListener("input", restart);
  searchLabel.append(search);
  filters.append(verdictLabel, ...byGroup.map((group) => group.label), ruleLabel, searchLabel, count);

  function draw() {
    const wanted = search.value.trim().toLowerCase();
    const chosen = questions.filter((question) =>
      (!verdict.value || verdictOf(question) === verdict.value) &&
      (!rule.value || question.rule === rule.value) &&
      byGroup.every(({ name, control }) => !control.value || question.groups[name] === control.value) &&
      (!wanted || (question.text + "\n" + question.response + "\n" + question.id).toLowerCase().includes(wanted)));
    list.replaceChildren(...chosen.slice(0, shown).map(card));
    count.textContent = chosen.length + " of " + questions.length + " questions";
    more.hidden = chosen.length <= shown;
  }
  more.addEventListener("click", () => { shown += PAGE; draw(); });
  draw();
}

document.querySelectorAll(".browse").forEach(browse);
