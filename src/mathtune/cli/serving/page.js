// Ask a question, show its clusters as they grow, then the pick. Texts are drawn by texts.js.

const byId = (id) => document.getElementById(id);
const form = byId("form"), question = byId("question"), state = byId("state");
let running = null;

function say(text, fault) {
  state.textContent = text;
  state.className = fault ? "fault" : "";
}

function draw(found) {
  const most = Math.max(1, ...found.clusters.map((one) => one.votes));
  const rows = found.clusters.map((one) => {
    const bar = make("span", "bar");
    bar.style.width = `${(100 * one.votes) / most}%`;
    const score = one.score === null ? "" : `, score ${one.score.toFixed(2)}`;
    const count = make("span", "count", `${one.votes} ${one.votes === 1 ? "vote" : "votes"}${score}`);
    const row = make("li", one.answer === found.answer ? "pick" : "", answer({ text: one.answer }), bar, count);
    return row;
  });
  byId("clusters").replaceChildren(...rows);
}

const WHY = {
  sure: "the lead is sure", decided: "the lead cannot be overtaken", samples: "all samples are used",
};

function finish(found, text) {
  const pick = found.clusters.find((one) => one.votes === found.votes && found.answer !== null);
  draw({ ...found, answer: found.answer !== null && pick ? pick.answer : null });
  const used = `${found.samples_used} samples, ${WHY[found.stopped]} (${found.strategy})`;
  say(found.answer === null ? `No sample ends in an answer: ${used}.` : `Answer picked: ${used}.`);
  byId("solution").replaceChildren(shown({ text, length: text.length }));
}

// One line of the stream: a comment tells progress, data holds a chunk of the answer.
function read(line, answered) {
  if (line.startsWith(": mathtune ")) {
    const found = JSON.parse(line.slice(11));
    say(`${found.samples_used} samples so far`);
    draw({ ...found, answer: undefined });
  } else if (line.startsWith("data: {")) {
    const chunk = JSON.parse(line.slice(6));
    if (chunk.error) throw new Error(chunk.error.message);
    answered.text += chunk.choices[0]?.delta?.content ?? "";
    if (chunk.mathtune) answered.found = chunk.mathtune;
  }
}

async function ask(signal) {
  const headers = { "content-type": "application/json" };
  if (byId("key")?.value) headers.authorization = `Bearer ${byId("key").value}`;
  const response = await fetch("v1/chat/completions", {
    method: "POST", headers, signal,
    body: JSON.stringify({
      model: form.dataset.model, stream: true, samples: Number(byId("samples").value),
      messages: [{ role: "user", content: question.value }],
    }),
  });
  if (!response.ok) throw new Error((await response.json()).error.message);
  const answered = { text: "", found: null }, reader = response.body.getReader();
  const decoder = new TextDecoder();
  let rest = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    const lines = (rest + decoder.decode(value, { stream: true })).split("\n");
    rest = lines.pop();
    for (const line of lines) read(line, answered);
  }
  if (answered.found === null) throw new Error("The server ended without an answer.");
  finish(answered.found, answered.text);
}

async function submit() {
  if (running || !form.reportValidity()) return;
  running = new AbortController();
  byId("ask").disabled = true;
  byId("stop").disabled = false;
  byId("clusters").replaceChildren();
  byId("solution").replaceChildren();
  say("sampling …");
  try {
    await ask(running.signal);
  } catch (error) {
    say(error.name === "AbortError" ? "Stopped." : error.message, error.name !== "AbortError");
  } finally {
    running = null;
    byId("ask").disabled = false;
    byId("stop").disabled = true;
    question.focus();
  }
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  submit();
});
question.addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  submit();
});
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") running?.abort();
});
byId("stop").addEventListener("click", () => running?.abort());
