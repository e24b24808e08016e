// A circuit's graph as it is drawn: pruned, with pinned nodes, groups of nodes as one. The server
// draws the same for pages without scripts (graph_schema/reports/arranged_circuit.py).
//
// Nodes keep their numbers; groups come after them. An edge of a group is the sum of its members'
// edges with the same other end and channel; `counts` says of how many.

export function arranged(graph, { kept, pins, groups }) {
  if (!pins.length && !groups.length) return { ...graph, kept, always: [], titles: {}, now: null, counts: null };
  const number = new Map(graph.nodes.map((name, place) => [name, place]));
  const n = graph.nodes.length;
  const now = Uint32Array.from(graph.nodes.keys());
  const [x, y, nodes, titles] = [[...graph.x], [...graph.y], [...graph.nodes], {}];
  groups.forEach(({ members, name }, place) => {
    const own = members.map((each) => number.get(each)).filter((each) => each !== undefined);
    for (const each of own) now[each] = n + place;
    const mean = (values) => own.reduce((sum, each) => sum + values[each], 0) / own.length;
    const [mx, my] = [mean(graph.x), mean(graph.y)];
    const far = (each) => (graph.x[each] - mx) ** 2 + (graph.y[each] - my) ** 2;
    const nearest = own.reduce((best, each) => (far(each) < far(best) ? each : best), own[0]);
    nodes.push(`group-${place + 1}`);
    titles[n + place] = name;
    x.push(graph.x[nearest]);
    y.push(graph.y[nearest]);
  });
  const held = new Set(pins.map((name) => number.get(name)));
  const sums = new Map();
  for (let edge = 0; edge < graph.senders.length; edge++) {
    const [sender, receiver] = [graph.senders[edge], graph.receivers[edge]];
    if (edge >= kept && !(held.has(sender) && held.has(receiver))) continue;
    const [a, b, channel] = [now[sender], now[receiver], graph.channels[edge]];
    if (a === b) continue;
    const key = `${a} ${b} ${channel}`;
    const found = sums.get(key);
    if (!found) sums.set(key, { a, b, channel, score: graph.scores[edge], measured: graph.measured[edge], count: 1 });
    else {
      if (graph.scores[edge] !== null) found.score = (found.score ?? 0) + graph.scores[edge];
      found.measured &&= graph.measured[edge];
      found.count += 1;
    }
  }
  const rows = [...sums.values()].sort((one, two) => Math.abs(two.score ?? 0) - Math.abs(one.score ?? 0));
  const column = (name) => rows.map((row) => row[name]);
  return {
    nodes, x, y, titles, now,
    labels: graph.labels,
    tokens: graph.tokens,
    senders: column("a"),
    receivers: column("b"),
    channels: column("channel"),
    scores: column("score"),
    measured: column("measured"),
    counts: column("count"),
    kept: rows.length,
    always: [...new Set([...held].map((each) => now[each])), ...groups.map((_, place) => n + place)],
  };
}
