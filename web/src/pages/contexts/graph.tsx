import type { Parsed } from "./queries";

const WIDTH = 640;
const HEIGHT = 340;
const BOX = { width: 164, height: 38 };

/** Where each dataset stands: the one with the most joins in the middle, the others around it. */
export function places(parsed: Pick<Parsed, "datasets" | "relationships">): Map<string, { x: number; y: number }> {
  const joins = (id: string) =>
    parsed.relationships.filter((each) => each.left_dataset === id || each.right_dataset === id).length;
  const order = [...parsed.datasets].sort((a, b) => joins(b.id) - joins(a.id));
  const [middle, ...around] = order;
  const found = new Map<string, { x: number; y: number }>();
  if (middle) found.set(middle.id, { x: WIDTH / 2, y: HEIGHT / 2 });
  around.forEach((each, index) => {
    const angle = (2 * Math.PI * index) / around.length - Math.PI / 2;
    found.set(each.id, {
      x: WIDTH / 2 + Math.cos(angle) * (WIDTH / 2 - BOX.width / 2 - 8),
      y: HEIGHT / 2 + Math.sin(angle) * (HEIGHT / 2 - BOX.height / 2 - 8),
    });
  });
  return found;
}

const SHORT: Record<string, string> = {
  "many-to-one": "n : 1",
  "one-to-many": "1 : n",
  "one-to-one": "1 : 1",
  "many-to-many": "n : m",
};

/** How the datasets of a context join, as a picture, and in words below it. */
export function Graph({ parsed }: { parsed: Parsed }) {
  const at = places(parsed);
  const name = (id: string) => parsed.datasets.find((each) => each.id === id)?.name ?? id;
  return (
    <figure className="graph">
      <svg viewBox={`0 0 ${WIDTH} ${HEIGHT}`} role="img" aria-label="How the datasets join">
        {parsed.relationships.map((each) => {
          const [from, to] = [at.get(each.left_dataset), at.get(each.right_dataset)];
          if (!from || !to) return null;
          return (
            <g key={each.id}>
              <line x1={from.x} y1={from.y} x2={to.x} y2={to.y} />
              <text x={(from.x + to.x) / 2} y={(from.y + to.y) / 2 - 4} className="cardinality">
                {SHORT[each.cardinality ?? ""] ?? each.cardinality}
              </text>
            </g>
          );
        })}
        {parsed.datasets.map((each) => {
          const place = at.get(each.id);
          if (!place) return null;
          return (
            <g key={each.id} transform={`translate(${place.x - BOX.width / 2} ${place.y - BOX.height / 2})`}>
              <rect width={BOX.width} height={BOX.height} rx="7" />
              <text x={BOX.width / 2} y={BOX.height / 2 + 4}>
                {name(each.id).length > 22 ? `${name(each.id).slice(0, 21)}…` : name(each.id)}
              </text>
            </g>
          );
        })}
      </svg>
      <figcaption>
        <ul className="lines">
          {parsed.relationships.map((each) => (
            <li key={each.id}>
              <span>
                {name(each.left_dataset)} → {name(each.right_dataset)}
              </span>
              <span className="quiet">
                {each.conditions?.map((on) => `${on.left_column} = ${on.right_column}`).join(", ")}, {each.cardinality}
              </span>
            </li>
          ))}
        </ul>
      </figcaption>
    </figure>
  );
}
