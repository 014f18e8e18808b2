import { useQuery } from "@tanstack/react-query";
import { readFrom, useChange } from "../../api/change";
import { ApiError, type Schema } from "../../api/client";
import { count, duration, when } from "../../lib/format";
import { useTitle } from "../../lib/title";
import "../../styles/datasets.css";
import { Card, Empty, Failure, Loaded, Skeleton } from "../../ui/card";
import { Head } from "../../ui/table";

/** How the projections are, for whoever runs the installation. */
export default function Operations() {
  useTitle("Operations");
  const read = useQuery({
    queryKey: ["operations", "projections"],
    queryFn: ({ signal }) => readFrom<Schema<"ProjectionsState">>("/api/v1/admin/projections", signal),
    refetchInterval: 2_000,
    retry: false,
  });
  const letters = useQuery({
    queryKey: ["operations", "dead-letters"],
    queryFn: ({ signal }) => readFrom<Schema<"List_DeadLetter">>("/api/v1/admin/dead-letters?limit=100", signal),
    refetchInterval: 10_000,
    retry: false,
  });
  const rebuild = useChange<unknown, string>(
    (name) => ({ method: "POST", address: `/api/v1/admin/projections/${name}/rebuild` }),
    ["operations"],
  );
  if (read.error instanceof ApiError && read.error.status === 403)
    return (
      <div className="page">
        <h1>Operations</h1>
        <Empty>Only whoever runs this installation sees this. {read.error.message}</Empty>
      </div>
    );
  return (
    <div className="page">
      <h1>Operations</h1>
      <div className="stack">
        <Card title="Projections">
          <Loaded read={read} skeleton={<Skeleton lines={8} height={34} />}>
            {(data) => (
              <>
                <p>
                  <span className="tag" data-kind={data.lag?.stalled ? "rejected" : undefined}>
                    {data.lag?.stalled ? "stalled" : data.state}
                  </span>{" "}
                  at position {count(data.position)} of {count(data.head)}
                  {data.lag &&
                    `, ${count(data.lag.events)} events and ${duration((data.lag.seconds ?? 0) * 1000)} behind`}
                  {data.writer &&
                    `; ${count(Math.round(data.writer.events_per_second))} events/s, process ${data.writer.process}`}
                </p>
                {data.writer?.error && <p className="bad">{data.writer.error.detail}</p>}
                {rebuild.error && <Failure error={rebuild.error} />}
                <table className="list">
                  <Head
                    columns={[
                      "Name",
                      { number: "Version" },
                      { number: "Position" },
                      { number: "Dead letters" },
                      "Written",
                      "Rebuild",
                    ]}
                  />
                  <tbody>
                    {data.projections.map((each) => (
                      <tr key={each.name}>
                        <th scope="row">{each.name}</th>
                        <td data-number data-label="Version">
                          {each.version}
                        </td>
                        <td data-number data-label="Position">
                          {count(each.position)}
                        </td>
                        <td data-number data-label="Dead letters">
                          {count(each.dead_letters)}
                        </td>
                        <td data-label="Written">{when(each.updated_at)}</td>
                        <td>
                          {each.rebuild ? (
                            <>
                              <progress aria-label={`Rebuild of ${each.name}`} max={1} value={each.rebuild.progress} />{" "}
                              <span className="quiet">
                                {count(Math.round(each.rebuild.events_per_second))} events/s
                                {each.rebuild.remaining_s != null &&
                                  `, ${duration(each.rebuild.remaining_s * 1000)} left`}
                              </span>
                            </>
                          ) : (
                            <button
                              type="button"
                              className="button small"
                              aria-label={`Rebuild ${each.name}`}
                              disabled={each.requested_at != null}
                              onClick={() => rebuild.mutate(each.name)}
                            >
                              {each.requested_at ? "asked for" : "Rebuild"}
                            </button>
                          )}
                        </td>
                      </tr>
                    ))}
                  </tbody>
                </table>
              </>
            )}
          </Loaded>
        </Card>
        <Card title="Dead letters">
          <Loaded read={letters}>
            {({ items }) =>
              items.length === 0 ? (
                <Empty>Every event could be folded.</Empty>
              ) : (
                <ul className="history">
                  {items.map((each) => (
                    <li key={`${each.position} ${each.projection}`}>
                      <p>
                        <b>{count(each.position)}</b> {each.projection} <code>{each.subject}</code>{" "}
                        <span className="quiet">{when(each.at)}</span>
                      </p>
                      <p className="bad">{each.reason}</p>
                    </li>
                  ))}
                </ul>
              )
            }
          </Loaded>
        </Card>
      </div>
    </div>
  );
}
