"""The script of the playable maze: its physics, the dataset's nearby rows, the reader's moves.

`world` holds the maze's numbers and `rows` the dataset's, both written by `walk.py`. The first two
parts do not use the page, so that the tests can compare them with `PointMaze` and NumPy.
"""

PHYSICS = """
// Like offline_tutor.environments.slide: a wall stops only the motion towards it.
const slide = (at, move, axis) => {
  let low = Infinity, high = -Infinity;
  for (const [from, to] of world.corridors)
    if (from.every((edge, i) => edge <= at[i]) && to.every((edge, i) => at[i] <= edge)) {
      low = Math.min(low, from[axis]); high = Math.max(high, to[axis]);
    }
  const next = [...at];
  next[axis] = Math.min(Math.max(at[axis] + move[axis], low), high);
  return next;
};
const transition = (at, action, noise) => {
  const length = Math.max(1, Math.hypot(...action));
  const move = action.map((part, i) => world.step * part / length + noise[i]);
  return slide(slide(at, move, 0), move, 1);
};
const distance = (a, b) => Math.hypot(a[0] - b[0], a[1] - b[1]);
const arrived = at => distance(at, world.goal) <= world.goalRadius;
"""

NEARBY = """
// A row is [x, y, action to the right, action up].
const near = at => rows.filter(row => distance(row, at) <= world.near);
// A way is one of four: right, up, left, down.
const way = ([x, y]) => Math.abs(x) > Math.abs(y) ? (x > 0 ? 0 : 2) : (y > 0 ? 1 : 3);
const alike = (found, action) => found.filter(
  row => row[2] * action[0] + row[3] * action[1] >= Math.SQRT1_2
    * Math.hypot(row[2], row[3]) * Math.hypot(...action)).length;
const ways = found => {
  const counts = [0, 0, 0, 0];
  for (const row of found) counts[way(row.slice(2))]++;
  return counts.map((count, i) => [count, world.ways[i]]).filter(([count]) => count)
    .sort((a, b) => b[0] - a[0]);
};
const describe = found => {
  if (!found.length) return "No row of the dataset begins near here.";
  const [[first, name], ...others] = ways(found);
  const went = [`${first} went ${name}`, ...others.map(([count, name]) => `${count} ${name}`)];
  const begin = found.length == 1 ? "1 row of the dataset begins" :
    `${found.length} rows of the dataset begin`;
  return `${begin} near here: ${went.join(", ")}.`;
};
"""

HAND = """
const figure = document.currentScript.closest("figure");
const maze = figure.querySelector(".ot-panels"), control = figure.querySelector(".ot-walk");
const svg = maze.querySelector("svg"), layer = svg.querySelector(".ot-live");
const lines = [...control.querySelectorAll("output span")];
let at, path, rarest, steps, last, over;

const pixel = ([x, y]) => [(x - world.left) * world.scale, (world.top - y) * world.scale];
const write = points => points.map(point => point.map(n => n.toFixed(1)).join(" ")).join("L");
const arrow = ([, , right, up]) => {
  const [x, y] = pixel(at), [u, v] = [right, -up].map(part => part * world.arrow);
  const end = [x + u, y + v], tip = side =>
    [end[0] - .2 * u - side * .1 * v, end[1] - .2 * v + side * .1 * u];
  return `<path d="M${write([[x, y], end])}M${write([tip(1), end, tip(-1)])}"/>`;
};
const some = found => found.filter((_, i) => i % Math.ceil(found.length / world.arrows) == 0);

layer.innerHTML = `<path class="ot-trail-edge"/><path class="ot-trail"/><g class="ot-rows"></g>
  <circle class="ot-near" r="${world.near * world.scale}"/>
  <g class="ot-dot"><circle r="6"/><circle class="ot-grip" r="${world.grip}"/></g>`;
const [edge, trail, arrows, circle, dot] = layer.children;

const show = () => {
  const found = near(at), [x, y] = pixel(at), d = "M" + write(path.map(pixel));
  arrows.innerHTML = some(found).map(arrow).join("");
  circle.setAttribute("cx", x); circle.setAttribute("cy", y);
  edge.setAttribute("d", d); trail.setAttribute("d", d);
  dot.style.transform = `translate(${x}px,${y}px)`;
  const place = `at (${at.map(n => n.toFixed(1)).join(", ")})`;
  const again = "Begin again at A or B.";
  const end = { goal: ` You are at the goal: reward 1. ${again}`,
    time: ` The time is up: the episode is cut. ${again}` };
  const texts = [`Step ${steps} of ${world.limit}, ${place}.${end[over] ?? ""}`, describe(found),
    last ? `Your last step: ${last.same} of ${last.all} rows there went that way. ` +
      `Your rarest step so far: ${rarest.same} of ${rarest.all}.` : world.invitation];
  lines.forEach((line, i) => line.textContent = texts[i]);
};
const begin = letter => {
  at = world.starts[letter].map(centre => centre + world.spread * (2 * Math.random() - 1));
  [path, steps, last, rarest, over] = [[at], 0, null, null, null];
  show();
};
const normal = () => Math.sqrt(-2 * Math.log(1 - Math.random()))
  * Math.cos(2 * Math.PI * Math.random());
const share = count => count.all ? count.same / count.all : 0;
const walk = action => {
  if (over || !Math.hypot(...action)) return;
  const found = near(at);
  last = { same: alike(found, action), all: found.length };
  if (!rarest || share(last) < share(rarest)) rarest = last;
  at = transition(at, action, [world.noise * normal(), world.noise * normal()]);
  path.push(at); steps++;
  over = arrived(at) ? "goal" : steps >= world.limit ? "time" : null;
  show();
};
const aim = event => {
  const box = svg.getBoundingClientRect(), k = svg.viewBox.baseVal.width / box.width / world.scale;
  const [x, y] = [event.clientX - box.left, event.clientY - box.top];
  return [world.left + x * k - at[0], world.top - y * k - at[1]].map(part => part / world.step);
};

// Within half a step of the dot the pointer is on the dot, and does not move it.
const head = event => { if (Math.hypot(...aim(event)) > .5) walk(aim(event)); };
let drag = null, dragged = false;
svg.addEventListener("pointerdown", () => { dragged = false; }, true);
// Chromium ignores touch-action inside a drawing: without this, dragging scrolls the page.
dot.addEventListener("touchstart", event => event.preventDefault(), { passive: false });
dot.addEventListener("pointerdown", event => {
  event.preventDefault(); maze.focus({ preventScroll: true });
  dot.setPointerCapture(event.pointerId);
  let pointer = event;
  const follow = () => { dragged = true; head(pointer); };
  dot.onpointermove = moved => { pointer = moved; };
  clearInterval(drag); drag = setInterval(follow, world.pace);
});
for (const end of ["pointerup", "pointercancel", "lostpointercapture"])
  dot.addEventListener(end, () => { clearInterval(drag); dot.onpointermove = null; });
svg.addEventListener("click", event => { if (!dragged) head(event); });
const keys = { ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowLeft: [-1, 0], ArrowDown: [0, -1] };
figure.addEventListener("keydown", event => {
  if (!keys[event.key] || event.altKey || event.ctrlKey || event.metaKey) return;
  event.preventDefault(); event.stopPropagation(); walk(keys[event.key]);
});
for (const button of control.querySelectorAll("button"))
  button.addEventListener("click", () => button.dataset.key
    ? walk(keys[button.dataset.key]) : begin(button.dataset.start));

maze.setAttribute("role", "application"); maze.tabIndex = 0;
maze.setAttribute("aria-roledescription", "playable maze");
maze.dataset.lmSuppressShortcuts = "true";
control.hidden = false;
begin("A");
"""
