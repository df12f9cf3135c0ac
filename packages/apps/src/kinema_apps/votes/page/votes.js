// The page of a preference study. Answers go into the browser's storage first and leave it only when
// the server has said that they are on its disk.

const byId = (id) => document.getElementById(id);
const RETRY = 3000;

let study;
let current = -1;
let shownAt = 0;
let sending = false;

async function post(path, body) {
  const response = await fetch(path, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
  });
  if (response.ok) return response.json();
  const said = await response.json().catch(() => ({}));
  const error = new Error(said.error ?? `The server answered ${response.status}.`);
  error.status = response.status;
  throw error;
}

function say(text) {
  byId("status").textContent = text;
}

function show(id) {
  for (const section of ["welcome", "trial", "finished"]) byId(section).hidden = section !== id;
}

// -- what is kept in the browser ------------------------------------------------------------------

const stored = (key, fallback) => {
  try {
    return JSON.parse(localStorage.getItem(key)) ?? fallback;
  } catch {
    return fallback;
  }
};
const store = (key, value) => {
  try {
    localStorage.setItem(key, JSON.stringify(value));
  } catch {
    // A browser without storage still votes, as long as the server can be reached.
  }
};

const queueKey = () => `kinema-votes-queue-${study.study}-${study.rater}`;
let queue = [];

function keep(vote) {
  queue.push(vote);
  store(queueKey(), queue);
  send();
}

async function send() {
  if (sending) return;
  sending = true;
  while (queue.length) {
    try {
      await post("/api/votes", queue[0]);
      say("");
    } catch (error) {
      if (error.status === 400) {
        // Asking again would not help, and those behind it must not wait.
        say(`An answer was refused: ${error.message}`);
      } else {
        say(`Not saved yet: ${error.status ? error.message : "the server cannot be reached"}. ` +
          "Trying again; you can go on.");
        await new Promise((done) => setTimeout(done, RETRY));
        continue;
      }
    }
    queue.shift();
    store(queueKey(), queue);
  }
  sending = false;
  if (current >= study.trials.length) show("finished");
}

addEventListener("beforeunload", (event) => {
  if (queue.length) event.preventDefault();
});

// -- the videos -----------------------------------------------------------------------------------

const videos = [byId("video-a"), byId("video-b")];

function restart() {
  for (const video of videos) {
    video.currentTime = 0;
    video.play().catch(() => {});
  }
  setPaused(false);
}

// Nobody is to judge what is not to be seen yet.
function ready() {
  const loaded = videos.every((video) => video.readyState >= HTMLMediaElement.HAVE_CURRENT_DATA);
  if (loaded && byId("questions").disabled) {
    byId("questions").disabled = false;
    if (!queue.length) say("");
    restart();
    shownAt = performance.now();
  }
}

function setPaused(paused) {
  byId("pause").setAttribute("aria-pressed", String(paused));
  byId("pause").textContent = paused ? "Play" : "Pause";
}

for (const video of videos) {
  // Both begin again together, so the shorter one waits for the longer.
  video.addEventListener("ended", () => {
    if (videos.every((each) => each.ended)) setTimeout(restart, 400);
  });
  video.addEventListener("loadeddata", ready);
  video.addEventListener("error", () => {
    const src = video.getAttribute("src");
    if (!src) return;
    say("A video cannot be loaded yet. Trying again.");
    setTimeout(() => video.getAttribute("src") === src && video.load(), RETRY);
  });
}
byId("replay").addEventListener("click", restart);
byId("pause").addEventListener("click", () => {
  const paused = byId("pause").getAttribute("aria-pressed") !== "true";
  setPaused(paused);
  if (paused) videos.forEach((video) => video.pause());
  else if (videos.every((video) => video.ended)) restart();
  else videos.filter((video) => !video.ended).forEach((video) => video.play().catch(() => {}));
});

// -- a comparison ---------------------------------------------------------------------------------

function question(name) {
  const [title, text] = study.questions[name];
  const field = document.createElement("fieldset");
  const legend = document.createElement("legend");
  const bold = document.createElement("b");
  const plain = document.createElement("span");
  bold.textContent = title;
  plain.textContent = text;
  legend.append(bold, plain);
  const answers = document.createElement("div");
  answers.className = "answers";
  const choices = [["a", "A"], ["b", "B"]];
  if (study.ties) choices.splice(1, 0, ["same", "Same"]);
  for (const [value, label] of choices) {
    const wrap = document.createElement("label");
    const input = document.createElement("input");
    const face = document.createElement("span");
    Object.assign(input, { type: "radio", name, value, required: true });
    face.textContent = label;
    wrap.append(input, face);
    answers.append(wrap);
  }
  field.append(legend, answers);
  return field;
}

function next() {
  const done = new Set([...study.done, ...queue.map((vote) => vote.trial)]);
  current = study.trials.findIndex((_, index) => !done.has(index));
  if (current < 0) {
    current = study.trials.length;
    videos.forEach((video) => video.removeAttribute("src"));
    if (!queue.length) show("finished");
    else send();
    return;
  }
  const trial = study.trials[current];
  show("trial");
  byId("count").textContent = `${done.size + 1} of ${study.trials.length}`;
  Object.assign(byId("bar"), { max: study.trials.length, value: done.size });
  byId("drawn").hidden = !trial.drawing;
  byId("stage").classList.toggle("bare", !trial.drawing);
  if (trial.drawing) byId("drawing").src = trial.drawing;
  videos[0].src = trial.a;
  videos[1].src = trial.b;
  byId("questions").replaceChildren(...trial.questions.map(question));
  byId("questions").disabled = true;
  byId("send").disabled = true;
  scrollTo(0, 0);
  byId("count").focus({ preventScroll: true });
}

byId("form").addEventListener("change", () => {
  byId("send").disabled = !byId("form").checkValidity();
});

byId("form").addEventListener("submit", (event) => {
  event.preventDefault();
  const answers = Object.fromEntries(new FormData(byId("form")));
  const seconds = (performance.now() - shownAt) / 1000;
  study.done.push(current);
  keep({ rater: study.rater, trial: current, answers, seconds });
  next();
});

// -- the start ------------------------------------------------------------------------------------

async function begin() {
  const code = new URLSearchParams(location.search).get("rater");
  const rater = code ?? stored("kinema-votes-rater", "");
  try {
    study = await post("/api/raters", { rater });
  } catch (error) {
    say(error.status ? error.message : "The server cannot be reached. Reload the page.");
    show("");
    return;
  }
  if (!code) store("kinema-votes-rater", study.rater);
  queue = stored(queueKey(), []);
  const left = study.trials.length - new Set(study.done).size;
  byId("amount").textContent = study.done.length
    ? `Welcome back. ${left} of ${study.trials.length} comparisons are left.`
    : `There are ${left} comparisons, of about half a minute each.`;
  send();
  if (left === 0) return next();
  show("welcome");
  byId("begin").addEventListener("click", next);
}

begin();
