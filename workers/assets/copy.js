// A button beside whatever can be copied: code, an address, a link to this page as it is now.

function offer(where, text) {
  const button = document.createElement("button");
  button.type = "button";
  button.textContent = "copy";
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(text());
      button.textContent = "copied";
    } catch {
      button.textContent = "select it and press Ctrl-C";
    }
    setTimeout(() => (button.textContent = "copy"), 1500);
  });
  where.after(button);
}

function prepare(root) {
  for (const each of root.querySelectorAll(".copyable pre")) offer(each, () => each.textContent);
  for (const each of root.querySelectorAll(".copy-link")) offer(each, () => location.href);
}

prepare(document);
document.addEventListener("swapped", (event) => prepare(event.target));
