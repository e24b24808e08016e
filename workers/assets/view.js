// What of a circuit is shown, as the page's address says it (workers/web/view.py reads the same).

export function readView(url, most) {
  const query = new URL(url, location.href).searchParams;
  const groups = query.getAll("group").map((text) => {
    const at = text.indexOf(" ");
    return { members: text.slice(0, at).split(","), name: text.slice(at + 1) };
  });
  const edges = /^\d{1,9}$/.test(query.get("edges") ?? "") ? Number(query.get("edges")) : most;
  return { kept: Math.max(1, Math.min(most, edges)), node: query.get("node") ?? "", pins: query.getAll("pin"), groups };
}

export function viewAddress(page, view, most) {
  const query = new URLSearchParams();
  if (view.kept < most) query.set("edges", view.kept);
  for (const name of view.pins) query.append("pin", name);
  for (const { members, name } of view.groups) query.append("group", `${members.join(",")} ${name}`);
  if (view.node) query.set("node", view.node);
  const said = query.toString();
  return said ? `${page}?${said}` : page;
}
