// A file is dropped on the form as well as chosen, and one that is too large is not sent at all.

const form = document.getElementById("import");
const input = document.getElementById("file");
const chosen = document.getElementById("chosen");
const most = Number(input.dataset.most); // of the form it would be its field "dataset"

function megabytes(bytes) {
  return `${(bytes / 2 ** 20).toFixed(1)} MiB`;
}

function look() {
  const file = input.files[0];
  const large = file && file.size > most;
  const why = large ? `${megabytes(file.size)} are more than the ${megabytes(most)} that pages take: use circuits import` : "";
  input.setCustomValidity(why);
  chosen.textContent = why || (file ? `${file.name}, ${megabytes(file.size)}` : "or drop it anywhere on this page");
}

function carries(event) {
  return [...event.dataTransfer.types].includes("Files");
}

document.addEventListener("dragover", (event) => {
  if (!carries(event)) return;
  event.preventDefault();
  form.classList.add("dropping");
});
document.addEventListener("dragleave", (event) => event.relatedTarget || form.classList.remove("dropping"));
document.addEventListener("drop", (event) => {
  form.classList.remove("dropping");
  if (!carries(event)) return;
  event.preventDefault();
  input.files = event.dataTransfer.files;
  look();
});
input.addEventListener("change", look);
form.addEventListener("submit", () => (chosen.textContent = "being read…"));
look();
