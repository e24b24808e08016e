// What a drawing on a canvas needs of the page: elements, sizes in its own pixels, the page's colours.

export function put(place, tag, name, more = {}) {
  const element = document.createElement(tag);
  element.className = name;
  for (const [key, value] of Object.entries(more)) key in element ? (element[key] = value) : element.setAttribute(key, value);
  place.append(element);
  return element;
}

export function size(canvas) {
  const [width, height] = [canvas.clientWidth, canvas.clientHeight].map((pixels) => Math.round(pixels * devicePixelRatio));
  if (canvas.width !== width || canvas.height !== height) [canvas.width, canvas.height] = [width, height];
}

export function clear(context) {
  context.setTransform(1, 0, 0, 1, 0, 0);
  context.clearRect(0, 0, context.canvas.width, context.canvas.height);
}

export function scaled({ scale, x, y }) {
  const density = devicePixelRatio;
  return { scale: scale * density, x: x * density, y: y * density, density };
}

// Those of the page around a place.
export function coloursAt(place) {
  const style = getComputedStyle(place);
  return Object.fromEntries(["positive", "negative", "sheet", "ink", "accent", "chosen"].map((name) => [name, style.getPropertyValue(`--${name}`).trim()]));
}

// Calls it when the browser has nothing better to do; Safari does not say when that is.
export function whenIdle(act) {
  return globalThis.requestIdleCallback ? requestIdleCallback(act, { timeout: 1000 }) : setTimeout(act, 200);
}
