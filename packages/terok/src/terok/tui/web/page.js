// Draws lines of text that the server sends, and says what is pressed. Text is only ever put in as text.
"use strict";

const screen_ = document.getElementById("screen");
const keys = document.getElementById("keys");
const said = document.getElementById("said");
const LONGEST = 16000;
const MOST_CELLS = 400, MOST_LINES = 200;
let socket = null, cell = { width: 8, height: 18 }, size = [0, 0], at = [-1, -1], wheel = 0, over = false;

function tell(text) {
  said.textContent = text;
  said.hidden = !text;
}

function send(...values) {
  if (socket && socket.readyState === WebSocket.OPEN) socket.send(JSON.stringify(values));
}

function measure() {
  const probe = document.createElement("div"), text = document.createElement("span");
  text.textContent = "M".repeat(100);
  probe.append(text);
  screen_.append(probe);
  cell = { width: text.getBoundingClientRect().width / 100, height: probe.getBoundingClientRect().height };
  probe.remove();
  const cells = Math.floor(screen_.clientWidth / cell.width), lines = Math.floor(screen_.clientHeight / cell.height);
  return [Math.min(Math.max(cells, 20), MOST_CELLS), Math.min(Math.max(lines, 5), MOST_LINES)];
}

function fit() {
  size = measure();
  while (screen_.children.length > size[1]) screen_.lastChild.remove();
  while (screen_.children.length < size[1]) screen_.append(document.createElement("div"));
}

function color(name) {
  return name.startsWith("#") ? name : `var(--c${name})`;
}

function piece([text, cells, look]) {
  const made = document.createElement("span");
  made.textContent = text;
  const [flags = "", fore = "", back = ""] = look.split(";");
  for (const flag of flags) if (flag !== "r") made.classList.add(flag);
  let [front, behind] = [fore && color(fore), back && color(back)];
  if (flags.includes("r")) [front, behind] = [behind || "var(--back)", front || "var(--fore)"];
  if (front) made.style.color = front;
  if (behind) made.style.background = behind;
  if (!/^[ -~\u2500-\u257f]*$/.test(text)) { // a font may have it wider or narrower than its cells
    made.classList.add("wide");
    made.style.width = `${cells * cell.width}px`;
  }
  return made;
}

function draw(lines) {
  for (const [number, runs] of lines) {
    const line = screen_.children[number];
    if (line) line.replaceChildren(...runs.map(piece));
  }
}

function take(event) {
  const [kind, value] = JSON.parse(event.data);
  if (kind === "lines") draw(value);
  else if (kind === "title") document.title = value;
  else if (kind === "copied") navigator.clipboard?.writeText(value).catch(() => tell("the browser did not copy it"));
  else if (kind === "new") send("hello", ...size);
  else if (kind === "end") {
    over = true;
    tell(`${value} Press Enter to open it again.`);
  }
}

async function enter() {
  const token = location.hash.slice(1);
  if (!token) return "";
  history.replaceState(null, "", "/");
  const answer = await fetch("/enter", { method: "POST", body: token });
  const text = await answer.text();
  if (!answer.ok) return text;
  localStorage.setItem("key", text);
  return "";
}

async function open() {
  const refused = await enter().catch(() => "The server does not answer.");
  const key = localStorage.getItem("key");
  if (!key) return tell(refused || "Open the link that `terok tui --web` has printed.");
  fit();
  let opened = false;
  socket = new WebSocket(`ws://${location.host}/lines`, [`terok.${key}`]);
  socket.onopen = () => {
    opened = true;
    tell("");
    send("hello", ...size);
    keys.focus();
  };
  socket.onmessage = take;
  socket.onclose = () => {
    if (!over && opened) tell("The connection is lost; tasks go on. Press Enter to connect again.");
    else if (!opened) tell(refused || "This browser is not let in: open a new link, which Enter prints where `terok tui --web` runs.");
    over = true;
  };
}

function held(event) {
  return (event.ctrlKey ? "c" : "") + (event.altKey ? "a" : "") + (event.shiftKey ? "s" : "");
}

keys.addEventListener("keydown", (event) => {
  if (over && event.key === "Enter") return location.reload();
  if (event.isComposing || event.metaKey || event.key === "Unidentified" || event.key === "F5" || event.key === "F11") return;
  if (event.ctrlKey && event.shiftKey) return; // the browser's own
  if (event.ctrlKey && event.key === "v") return; // comes as a paste
  if (event.ctrlKey && event.key === "c" && String(getSelection())) return;
  const written = event.getModifierState("AltGraph");
  if (event.key.length > 1 && !/^(Enter|Escape|Tab|Backspace|Delete|Insert|Arrow\w+|Home|End|Page\w+|F\d+)$/.test(event.key)) return;
  event.preventDefault();
  send("key", event.key, written ? "" : held(event));
});

// What an input method or a keyboard on the screen has written comes here.
keys.addEventListener("input", (event) => {
  if (event.isComposing) return;
  for (const character of keys.value) send("key", character, "");
  keys.value = "";
});
keys.addEventListener("compositionend", () => keys.dispatchEvent(new InputEvent("input")));
keys.addEventListener("paste", (event) => {
  event.preventDefault();
  send("paste", event.clipboardData.getData("text").slice(0, LONGEST));
});
keys.addEventListener("focus", () => send("focus"));
keys.addEventListener("blur", () => send("blur"));

function place(event) {
  const box = screen_.getBoundingClientRect();
  return [Math.floor((event.clientX - box.left) / cell.width), Math.floor((event.clientY - box.top) / cell.height)];
}

screen_.addEventListener("pointerdown", (event) => {
  keys.focus();
  screen_.classList.toggle("selecting", event.shiftKey); // as in a terminal, Shift selects
  if (event.shiftKey) return;
  event.preventDefault();
  at = place(event);
  send("mouse", "down", ...at, event.button + 1, held(event));
});
screen_.addEventListener("pointerup", (event) => {
  if (!event.shiftKey) send("mouse", "up", ...place(event), event.button + 1, held(event));
});
screen_.addEventListener("pointermove", (event) => {
  const now = place(event);
  if (!event.buttons || event.shiftKey || (now[0] === at[0] && now[1] === at[1])) return;
  at = now;
  send("mouse", "move", ...at, 1, held(event));
});
screen_.addEventListener("wheel", (event) => {
  wheel += event.deltaY;
  for (; Math.abs(wheel) >= 40; wheel -= Math.sign(wheel) * 40) {
    send("mouse", wheel > 0 ? "scroll_down" : "scroll_up", ...place(event), 0, held(event));
  }
}, { passive: true });
screen_.addEventListener("contextmenu", (event) => event.preventDefault());
document.addEventListener("click", (event) => {
  if (!event.shiftKey) keys.focus();
});
addEventListener("resize", () => {
  fit();
  send("size", ...size);
});
addEventListener("hashchange", () => location.reload()); // another link, in the same tab
open();
