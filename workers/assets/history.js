// What was asked in this browser, the newest first: kept in the browser and nowhere else, until it is
// cleared. A question is its address, which holds nothing secret.

const KEY = "circuits-asked";
const MOST = 30;
const place = document.getElementById("history");

function kept() {
  try {
    const found = JSON.parse(localStorage.getItem(KEY) ?? "[]");
    return Array.isArray(found) ? found.filter((each) => typeof each === "string").slice(0, MOST) : [];
  } catch {
    return [];
  }
}

function keep(asked) {
  try {
    localStorage.setItem(KEY, JSON.stringify(asked));
  } catch {
    // no room, or not allowed: the list is a convenience
  }
}

// What a link says: the question's name, or the query, with parameters.
function words(query) {
  const asked = new URLSearchParams(query);
  const given = [...asked].filter(([name, value]) => name.startsWith("p.") && value).map(([name, value]) => `${name.slice(2)}=${value}`);
  return [asked.get("question") || asked.get("q") || "", ...given].join("  ").replace(/\s+/g, " ").slice(0, 160);
}

function show() {
  const asked = kept();
  place.hidden = !asked.length;
  place.querySelector("ul").replaceChildren(...asked.map((query) => {
    const [item, link] = [document.createElement("li"), document.createElement("a")];
    link.href = `/cypher?${query}`;
    link.textContent = words(query);
    item.append(link);
    return item;
  }));
}

// Only what was answered: the page says so.
if (place.dataset.asked) keep([place.dataset.asked, ...kept().filter((each) => each !== place.dataset.asked)].slice(0, MOST));
place.querySelector("button").addEventListener("click", () => {
  try {
    localStorage.removeItem(KEY);
  } finally {
    show();
  }
});
show();
