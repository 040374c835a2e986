// The solution browser: filters, a list, one problem with its clusters and solutions. Texts go through
// texts.js, which stands before this in the page.

const VERDICTS = {
  correct: "✓ correct", wrong: "✗ wrong", no_answer: "– no answer", undecided: "? undecided",
};
const SHOWN = {
  all: "all problems",
  disagree: "strategies disagree",
  missed: "majority wrong, a correct cluster exists",
  undecided: "an undecided answer",
  never: "no correct sample",
  cut: "a sample cut at the token limit",
};
const ON_A_PAGE = 50, SOLUTIONS_AT_ONCE = 8;

const state = { row: 0, filters: {}, page: 0, id: null, cluster: null, order: "drawn" };
const unpacked = new Map();
let rows = [];

async function unpack(id) {
  if (!unpacked.has(id)) {
    const packed = atob(document.getElementById(id).textContent);
    const bytes = Uint8Array.from(packed, (c) => c.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate-raw"));
    unpacked.set(id, JSON.parse(await new Response(stream).text()));
  }
  return unpacked.get(id);
}

function verdict(name) {
  return make("span", "verdict " + name, VERDICTS[name]);
}

function address(id) {
  return "#" + new URLSearchParams({ row: rows[state.row].name, problem: id });
}

function matching() {
  const { show, verdict, level, subject, search } = state.filters;
  const words = (search || "").toLowerCase();
  return rows[state.row].problems.filter((one) =>
    (!show || show === "all" || one.flags.includes(show)) &&
    (!verdict || one.verdict === verdict) &&
    (!level || one.level === level) &&
    (!subject || one.subject === subject) &&
    (!words || one.id.toLowerCase().includes(words) || one.start.toLowerCase().includes(words)));
}

function choice(label, name, options) {
  const select = make("select", "");
  for (const [value, text] of options) {
    const option = make("option", "", text);
    option.value = value;
    select.append(option);
  }
  select.value = state.filters[name] || options[0][0];
  select.addEventListener("change", () => {
    state.filters[name] = select.value;
    state.page = 0;
    list();
  });
  return make("label", "", label, select);
}

function filters() {
  const place = document.getElementById("filters");
  const problems = rows[state.row].problems;
  place.replaceChildren();
  if (rows.length > 1) {
    const select = make("select", "");
    rows.forEach((row, number) => {
      const option = make("option", "", `${row.name} (N = ${row.n})`);
      option.value = number;
      select.append(option);
    });
    select.value = state.row;
    select.addEventListener("change", () => {
      state.row = Number(select.value);
      state.page = 0;
      filters();
      list();
      if (state.id !== null) open(state.id);
    });
    place.append(make("label", "", "samples of", select));
  }
  const count = (name) => problems.filter((one) => one.flags.includes(name)).length;
  place.append(choice("show", "show", Object.entries(SHOWN).map(([name, text]) =>
    [name, `${text} (${name === "all" ? problems.length : count(name)})`])));
  place.append(choice("majority's verdict", "verdict", [["", "any"], ...Object.entries(VERDICTS)]));
  for (const name of ["level", "subject"]) {
    const values = [...new Set(problems.map((one) => one[name]).filter((value) => value !== null))];
    if (values.length > 1) {
      place.append(choice(name, name, [["", "any"], ...values.sort().map((value) => [value, value])]));
    }
  }
  const search = make("input", "");
  search.type = "search";
  search.id = "search";
  search.value = state.filters.search || "";
  search.addEventListener("input", () => {
    state.filters.search = search.value;
    state.page = 0;
    list();
  });
  place.append(make("label", "", "search id or text", search));
  const counted = make("span", "count");
  counted.id = "count";
  place.append(counted);
}

function list() {
  const found = matching();
  const pages = Math.max(1, Math.ceil(found.length / ON_A_PAGE));
  state.page = Math.min(Math.max(state.page, 0), pages - 1);
  document.getElementById("count").textContent =
    `${found.length} of ${rows[state.row].problems.length} problems`;
  const place = document.getElementById("list");
  place.replaceChildren(...found.slice(state.page * ON_A_PAGE, (state.page + 1) * ON_A_PAGE).map((one) => {
    const link = make("a", "");
    link.href = address(one.id);
    if (one.id === state.id) link.setAttribute("aria-current", "true");
    const n = rows[state.row].n;
    link.append(make("div", "", verdict(one.verdict), `  ${one.right}/${n} right · `));
    spell(link.lastChild, one.id);
    const what = make("div", "what");
    typeset(what, one.start);
    link.append(what);
    return make("li", "", link);
  }));
  const turn = (text, step) => {
    const button = make("button", "", text);
    button.disabled = state.page + step < 0 || state.page + step >= pages;
    button.addEventListener("click", () => { state.page += step; list(); });
    return button;
  };
  document.getElementById("turn").replaceChildren(
    turn("‹ back", -1), `page ${state.page + 1} of ${pages}`, turn("on ›", 1));
  position();
}

function step(by) {
  const found = matching();
  if (!found.length) return;
  const at = found.findIndex((one) => one.id === state.id);
  const next = at < 0 ? 0 : Math.min(Math.max(at + by, 0), found.length - 1);
  location.hash = address(found[next].id);
}

async function open(id) {
  const row = rows[state.row];
  const entry = row.problems.find((one) => one.id === id);
  const place = document.getElementById("detail");
  if (!entry) {
    place.replaceChildren(make("p", "", `${row.name} has no problem `, make("b", "", id), "."));
    return;
  }
  const found = matching();
  const at = found.findIndex((one) => one.id === id);
  if (at >= 0) state.page = Math.floor(at / ON_A_PAGE);
  state.id = id;
  state.cluster = null;
  list();
  const block = await unpack("block-" + entry.block);
  if (state.id !== id) return;
  detail(block.find((one) => one.id === id));
  reveal(document.querySelector(".list [aria-current]"));
}

// Scroll the list, and never the page, so that the item is seen.
function reveal(item) {
  if (!item) return;
  const box = document.querySelector(".list");
  const outer = box.getBoundingClientRect(), inner = item.getBoundingClientRect();
  const end = Math.max(Math.min(outer.bottom, window.innerHeight), outer.top + inner.height);
  const above = outer.top - inner.top, below = inner.bottom - end;
  if (above > 0) box.scrollTop -= Math.ceil(above); // it scrolls by whole pixels
  else if (below > 0) box.scrollTop += Math.ceil(below);
}

function detail(problem) {
  const title = make("h3", "");
  spell(title, problem.id);
  const link = make("a", "", "link");
  link.href = address(problem.id);
  const move = (text, by) => {
    const button = make("button", "", text);
    button.addEventListener("click", () => step(by));
    return button;
  };
  const head = make("div", "head", title, link, move("‹ k", -1), move("j ›", 1));
  const where = make("span", "note");
  where.id = "where";
  head.append(where);
  const level = problem.level && (/^level/i.test(problem.level) ? problem.level : `level ${problem.level}`);
  const about = [problem.subject, level].filter(Boolean).join(", ");
  const gold = make("p", "", "Gold answer: ", answer(problem.gold, "gold"));
  if (about) gold.append(` · ${about}`);
  const place = document.getElementById("detail");
  place.replaceChildren(head, shown(problem.problem), gold);
  if (problem.solution) {
    place.append(make("details", "", make("summary", "", "Gold solution"), shown(problem.solution)));
  }
  const solutions = make("div", "");
  place.append(make("h3", "", "Clusters"), clusters(problem, solutions));
  const picks = Object.entries(problem.picks);
  if (picks.length) {
    const byIndex = new Map(problem.samples.map((one) => [one.index, one]));
    place.append(make("h3", "", "Picks"), make("ul", "picks", ...picks.map(([name, index]) =>
      make("li", "", `${name}: sample ${index} `, verdict(byIndex.get(index).verdict)))));
  }
  place.append(solutions);
  position();
  draw(problem, solutions);
}

function position() {
  const found = matching();
  const at = found.findIndex((one) => one.id === state.id);
  const where = document.getElementById("where");
  if (where) where.textContent = at < 0 ? "not in the filtered list" : `${at + 1} of ${found.length}`;
}

function measure(value, most, text) {
  const fill = make("i", "");
  fill.style.width = `${most > 0 ? Math.max(0, 100 * value / most) : 0}%`;
  return make("span", "measure", make("span", "bar", fill), make("span", "", text));
}

function clusters(problem, solutions) {
  const votes = Math.max(...problem.clusters.map((one) => one.votes), 1);
  const score = Math.max(...problem.clusters.map((one) => one.score || 0), 0);
  const place = make("div", "clusters");
  if (!problem.clusters.length) place.append("No sample has an answer.");
  for (const one of problem.clusters) {
    const button = make("button", one.verdict, verdict(one.verdict));
    button.append(answer(one.answer), measure(one.votes, votes, `${one.votes} ${one.votes === 1 ? "vote" : "votes"}`));
    if (one.score !== null) button.append(measure(one.score, score, `score ${one.score.toFixed(2)}`));
    button.title = "show only this cluster's solutions";
    button.setAttribute("aria-pressed", "false");
    button.addEventListener("click", () => {
      state.cluster = state.cluster === one.number ? null : one.number;
      for (const other of place.children) other.setAttribute("aria-pressed", "false");
      button.setAttribute("aria-pressed", String(state.cluster === one.number));
      draw(problem, solutions);
    });
    place.append(button);
  }
  return place;
}

function draw(problem, place) {
  const chosen = problem.samples.filter((one) => state.cluster === null || one.cluster === state.cluster);
  const scored = problem.samples.some((one) => one.score !== null);
  if (scored && state.order === "score") chosen.sort((a, b) => b.score - a.score || a.index - b.index);
  const head = make("div", "head", make("h3", "", `Solutions (${chosen.length})`));
  if (scored) {
    const order = make("button", "", state.order === "score" ? "in the order drawn" : "best score first");
    order.addEventListener("click", () => {
      state.order = state.order === "score" ? "drawn" : "score";
      draw(problem, place);
    });
    head.append(order);
  }
  place.replaceChildren(head);
  if (problem.greedy && state.cluster === null) place.append(solution(problem.greedy, "greedy"));
  const more = make("button", "");
  let drawn = 0;
  const on = () => {
    for (const one of chosen.slice(drawn, drawn + SOLUTIONS_AT_ONCE)) {
      more.before(solution(one, `sample ${one.index}`));
    }
    drawn += SOLUTIONS_AT_ONCE;
    more.textContent = `${Math.min(SOLUTIONS_AT_ONCE, chosen.length - drawn)} more`;
    more.hidden = drawn >= chosen.length;
  };
  place.append(more);
  more.addEventListener("click", on);
  on();
}

function solution(one, name) {
  const head = make("header", "", make("b", "", name));
  if (one.verdict) head.append(verdict(one.verdict));
  if (one.answer) {
    head.append(make("span", "", "answer ", answer(one.answer), one.rule ? ` (${one.rule})` : ""));
  }
  if (one.score !== null) head.append(make("span", "", `score ${one.score}`));
  if (one.tokens !== null) head.append(make("span", "", `${one.tokens} tokens`));
  if (one.finish === "length") head.append(make("span", "", "cut at the token limit"));
  const article = make("article", "solution", head, shown(one.text));
  if (one.equations.length) article.append(equations(one.equations));
  return article;
}

// The path: one equation a line, each checked; true and false differ in sign as well as in colour.
function equations(found) {
  const wrong = found.filter((one) => one[1] === false).length;
  const checked = found.filter((one) => one[1] !== null).length;
  const rows = found.map(([text, holds]) => {
    const row = make("li", holds === null ? "unchecked" : holds ? "correct" : "wrong");
    const sign = make("span", "sign", holds === null ? "·" : holds ? "✓" : "✗");
    sign.title = holds === null ? "not arithmetic: not checked" : holds ? "holds" : "does not hold";
    row.append(sign, " ");
    spell(row, text);
    return row;
  });
  const summary = make("summary", "", `Path: ${found.length} ${found.length === 1 ? "equation" : "equations"}, ${checked} checked, `);
  summary.append(wrong ? make("b", "verdict wrong", `${wrong} false`) : "none false");
  const box = make("details", "path", summary, make("ol", "equations", ...rows));
  box.open = wrong > 0;
  return box;
}

// The problem that the address names: `#row=ssft&problem=a1`, or its id alone, `#a1`.
function wanted() {
  const found = new URLSearchParams(location.hash.slice(1));
  if (found.has("problem")) return { row: found.get("row"), id: found.get("problem") };
  let id = location.hash.slice(1);
  try {
    id = decodeURIComponent(id);
  } catch (error) {
    if (!(error instanceof URIError)) throw error; // a stray % in the id is itself
  }
  return rows[state.row].problems.some((one) => one.id === id) ? { row: null, id } : null;
}

function follow() {
  const found = wanted();
  if (!found) return false;
  const row = rows.findIndex((one) => one.name === found.row);
  if (row >= 0 && row !== state.row) {
    state.row = row;
    filters();
  }
  open(found.id);
  return true;
}

// Show one cluster only, by its place in the list; 0 or the same once more shows all again.
function press(place) {
  const buttons = document.querySelectorAll("#detail .clusters button");
  const pressed = document.querySelector('#detail .clusters button[aria-pressed="true"]');
  (place === 0 ? pressed : buttons[place - 1])?.click();
}

async function start() {
  if (!document.getElementById("index")) return;
  rows = await unpack("index");
  filters();
  list();
  window.addEventListener("hashchange", follow);
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (["INPUT", "SELECT", "TEXTAREA"].includes(event.target.tagName)) {
      if (event.key === "Escape") event.target.blur();
      return;
    }
    if (event.key === "j") step(1);
    else if (event.key === "k") step(-1);
    else if (/^[0-9]$/.test(event.key)) press(Number(event.key));
    else if (event.key === "t") {
      reading.formulas = !reading.formulas;
      list();
      if (state.id !== null) open(state.id);
    } else if (event.key === "/") {
      event.preventDefault();
      document.getElementById("search").focus();
    }
  });
  if (wanted()) document.getElementById("solutions").scrollIntoView();
  if (follow()) return;
  if (rows[state.row].problems.length) open(rows[state.row].problems[0].id);
}

start();
