import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { useNames } from "../../api/names";
import { useAsOf } from "../../lib/as-of";
import { useNow } from "../../lib/clock";
import { ago, plural, when } from "../../lib/format";
import { useTitle } from "../../lib/title";
import "../../styles/datasets.css";
import { Card, Empty, Loaded, Skeleton } from "../../ui/card";
import { Link } from "../../ui/link";
import { Head } from "../../ui/table";
import { contexts } from "./queries";

/** All contexts: how files belong together. */
export default function Contexts() {
  useTitle("Contexts");
  const [asOf] = useAsOf();
  const [q, setQ] = useState("");
  const name = useNames();
  const now = useNow();
  const read = useQuery(contexts(q, asOf));
  return (
    <div className="page">
      <h1>Contexts</h1>
      <div className="stack">
        <Card
          title="How the data belongs together"
          action={
            <Link className="button primary" to="/contexts/new">
              New context
            </Link>
          }
        >
          <search className="filters">
            <input
              type="search"
              aria-label="Search contexts"
              placeholder="Search names and descriptions"
              value={q}
              onChange={(event) => setQ(event.target.value)}
            />
          </search>
          <Loaded read={read} skeleton={<Skeleton lines={4} height={48} />}>
            {({ items }) =>
              items.length === 0 ? (
                <Empty action={<Link to="/contexts/new">Write one</Link>}>
                  A context says how datasets join, and what metrics mean.
                </Empty>
              ) : (
                <table className="list">
                  <Head columns={["Name", "Status", "What is in it", "Changed"]} />
                  <tbody>
                    {items.map((each) => (
                      <tr key={each.id}>
                        <th scope="row">
                          <Link to={`/contexts/${each.id}`}>{each.name}</Link>{" "}
                          <span className="tag">{each.version}</span>
                          <p className="quiet">{each.description}</p>
                        </th>
                        <td>
                          <span className="tag">{each.status}</span>
                        </td>
                        <td>
                          {plural(each.datasets.length, "dataset")}, {plural(each.relationships, "join")},{" "}
                          {plural(each.metrics.length, "metric")}
                        </td>
                        <td title={when(each.updated_at)}>
                          {ago(each.updated_at, now)}, {name(each.updated_by)}
                        </td>
                      </tr>
                    ))}
                  </tbody>
                </table>
              )
            }
          </Loaded>
        </Card>
      </div>
    </div>
  );
}
