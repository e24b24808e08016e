// How many of the strongest edges are drawn, and where that is on the circuit's stored curve.

// The slider goes by the logarithm: between 10 and 20 edges lies as much as between 100 and 200.
// `set` is called with a number as it is drawn, `keep` when it stays. Returns what shows another number.
export function slider(input, most, kept, set, keep) {
  const range = document.createElement("input");
  Object.assign(range, { type: "range", min: 0, max: 1000, step: 1 });
  range.setAttribute("aria-label", "Strongest edges shown, by logarithm");
  const toPlace = (n) => Math.round((1000 * Math.log(n)) / Math.log(Math.max(2, most)));
  const toNumber = (place_) => Math.max(1, Math.min(most, Math.round(Math.max(2, most) ** (place_ / 1000))));
  const say = (n) => {
    mark(n);
    range.setAttribute("aria-valuetext", `${n} edges`);
  };
  const show = (n) => {
    range.value = toPlace(n);
    input.value = n;
    say(n);
  };
  range.addEventListener("input", () => {
    const n = toNumber(Number(range.value));
    input.value = n;
    set(n);
    say(n);
  });
  input.addEventListener("input", () => {
    const n = Math.round(Number(input.value));
    if (!(n >= 1 && n <= most)) return;
    range.value = toPlace(n);
    set(n);
    say(n);
  });
  for (const each of [range, input]) each.addEventListener("change", keep);
  show(kept);
  input.before(range);
  input.form.addEventListener("submit", (event) => (event.preventDefault(), keep()));
  return show;
}

// The curve's own place for so many edges, and what was measured on both sides of it.
function mark(n) {
  const [curve, now, reading] = ["curve", "now", "reading"].map((id) => document.getElementById(id));
  if (!curve) return;
  const x = 34 + (418 * Math.log(Math.max(1, n))) / Math.log(Number(curve.dataset.most));
  for (const end of ["x1", "x2"]) now.setAttribute(end, x);
  const points = JSON.parse(reading.dataset.points);
  const near = [points.filter(([k]) => k <= n).at(-1), points.find(([k]) => k > n)].filter(Boolean);
  reading.textContent = near.map(([k, f]) => `${f.toPrecision(4)} at ${k.toLocaleString("en")}`).join(" and ");
}
