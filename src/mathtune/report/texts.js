"use strict";
// Texts on the page: what a model wrote is only ever set as textContent, or handed to KaTeX, which
// builds MathML with `trust` off. Nothing here builds markup from strings.

// Characters that could hide or reorder text are shown by their code.
const UNSEEN = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/u;
// What KaTeX would refuse for want of trust is shown as it was written.
const UNTRUSTED = /\\(?:href|url|includegraphics|html[A-Za-z]*)(?![A-Za-z])/;
const LONGEST_FORMULA = 2000, FIRST_CHARACTERS = 4000;
// $$..$$, \[..\], \(..\), \begin{align}..\end{align}, a bare \boxed{..}, \$, and $..$ by pandoc's rule:
// no space inside the dollars and no digit behind them, so that "$5 and $3" stays money. Every part is
// bounded, so that no text makes the search slow.
const MATHS = new RegExp([
  String.raw`\$\$(?<block>[^$]{1,${LONGEST_FORMULA}})\$\$`,
  String.raw`\\\[(?<display>[^]{1,${LONGEST_FORMULA}}?)\\\]`,
  String.raw`\\\((?<inline>[^]{1,${LONGEST_FORMULA}}?)\\\)`,
  String.raw`(?<named>\\begin\{(?<kind>(?:align|equation|gather|[bpvB]?matrix|cases|array)\*?)\}[^]{1,${LONGEST_FORMULA}}?\\end\{\k<kind>\})`,
  String.raw`(?<boxed>\\boxed\s?\{(?:[^{}]|\{(?:[^{}]|\{(?:[^{}]|\{[^{}]{0,200}\}){0,200}\}){0,200}\}){0,200}\})`,
  String.raw`(?<dollar>\\\$)`,
  String.raw`\$(?![\s$])(?<money>(?:[^$\n\\]|\\[^\n]){1,500})(?<!\s)\$(?![\d$])`,
].join("|"), "g");

const reading = { formulas: true };

function make(tag, className, ...children) {
  const element = document.createElement(tag);
  if (className) element.className = className;
  element.append(...children);
  return element;
}

function spell(parent, text) {
  let from = 0;
  for (let at = 0; at < text.length; at++) {
    if (!UNSEEN.test(text[at])) continue;
    const code = "U+" + text.charCodeAt(at).toString(16).toUpperCase().padStart(4, "0");
    parent.append(text.slice(from, at), make("span", "mark", code));
    from = at + 1;
  }
  parent.append(text.slice(from));
}

// A formula as MathML, or null where it is none that KaTeX reads: then the text stays as it is.
function formula(tex, display) {
  if (UNSEEN.test(tex) || UNTRUSTED.test(tex)) return null;
  const box = make("span", display ? "formula display" : "formula");
  try {
    katex.render(tex, box, {
      output: "mathml", displayMode: display, throwOnError: true, strict: "ignore",
      trust: false, maxExpand: 200, maxSize: 20,
    });
  } catch (error) {
    // KaTeX refuses what it cannot read, and deep nesting exhausts the stack.
    if (error instanceof katex.ParseError || error instanceof RangeError) return null;
    throw error;
  }
  return box;
}

// Markdown's **bold**, inside a line, is shown as bold.
const BOLD = /\*\*(?=[^\s*])([^*\n]{1,500})(?<=[^\s*])\*\*/g;

function marked(parent, text) {
  let from = 0;
  for (const found of text.matchAll(BOLD)) {
    spell(parent, text.slice(from, found.index));
    const strong = make("strong", "");
    spell(strong, found[1]);
    parent.append(strong);
    from = found.index + found[0].length;
  }
  spell(parent, text.slice(from));
}

function typeset(parent, text) {
  if (!reading.formulas) return spell(parent, text);
  let from = 0;
  for (const found of text.matchAll(MATHS)) {
    const { block, display, inline, named, boxed, dollar, money } = found.groups;
    let drawn = null;
    if (dollar) drawn = "$";
    else if (block || display || named) drawn = formula(block || display || named, true);
    else drawn = formula(inline || boxed || money, false);
    if (drawn === null) continue;
    let before = text.slice(from, found.index);
    from = found.index + found[0].length;
    if (drawn.className === "formula display") { // stands on a line of its own anyway
      before = before.replace(/\n[ \t]*$/, "");
      from += text.slice(from).match(/^[ \t]*\n|/)[0].length;
    }
    marked(parent, before);
    parent.append(drawn);
  }
  marked(parent, text.slice(from));
}

// A text with its formulas; a long one begins with its first characters. An answer is all formula.
function shown(text, className = "text") {
  const box = make("div", className);
  const whole = text.text;
  typeset(box, whole.slice(0, FIRST_CHARACTERS));
  if (whole.length > FIRST_CHARACTERS) {
    const more = make("button", "", `show all ${whole.length.toLocaleString("en")} characters`);
    more.addEventListener("click", () => {
      more.remove();
      typeset(box, whole.slice(FIRST_CHARACTERS));
      if (text.length) {
        const left = (text.length - whole.length).toLocaleString("en");
        box.append(make("p", "note", `${left} more characters stand in the run's files only.`));
      }
    });
    box.append(" ", more);
  }
  return box;
}

function answer(text, className = "answer") {
  const box = make("span", className);
  const tex = text.text.slice(0, 200);
  // Only what has a command or an exponent needs typesetting; "1,000" or "x = 3" does not.
  const drawn = reading.formulas && /[\\^_]/.test(tex) ? formula(tex.replace(/^\$+|\$+$/g, ""), false) : null;
  if (drawn) box.append(drawn);
  else spell(box, tex);
  return box;
}
