import { useEffect, useId, useRef, useState } from "react";
import { useLocation } from "react-router";
import { hasPast, momentSaid, useAsOf, useFault } from "../lib/as-of";
import { when } from "../lib/format";
import { useTitle } from "../lib/title";
import { Icon } from "../ui/icon";
import { Popover } from "../ui/popover";

/** Steps of the slider: the workspace's life is divided into as many moments. */
const STEPS = 1000;
/** Milliseconds for which the slider rests before the page goes to its moment. */
const REST = 250;

/** A slider over the workspace's life, from when it was made until now. */
export function TimeTravel({ since }: { since: string | undefined }) {
  const [asOf, setAsOf] = useAsOf();
  const { pathname } = useLocation();
  const there = hasPast(pathname);
  return (
    <Popover
      label={there ? "Show a past moment" : "This page has no past"}
      className="icon-button"
      boxClass="travel-box"
      disabled={!since || !there}
      face={<Icon name="clock" />}
    >
      {() => since && <Slider since={Date.parse(since)} asOf={asOf} go={setAsOf} />}
    </Popover>
  );
}

function Slider({
  since,
  asOf,
  go,
}: {
  since: number;
  asOf: string | undefined;
  go: (moment: string | undefined) => void;
}) {
  const id = useId();
  const [until] = useState(() => Date.now());
  const span = Math.max(until - since, 1);
  const [step, setStep] = useState(() => {
    // When an event was, only the server knows.
    if (!asOf || momentSaid(asOf).after) return STEPS;
    return Math.min(STEPS, Math.max(0, Math.round(((Date.parse(asOf) - since) / span) * STEPS)));
  });
  const at = since + (step / STEPS) * span;
  const now = step >= STEPS;
  const moved = useRef(false);

  useEffect(() => {
    if (!moved.current) return;
    const timer = setTimeout(() => go(now ? undefined : new Date(at).toISOString()), REST);
    return () => clearTimeout(timer);
  }, [at, now, go]);

  return (
    <>
      <label htmlFor={id}>
        Show the workspace as it was <b>{now ? "now" : when(at)}</b>
      </label>
      <input
        id={id}
        type="range"
        min={0}
        max={STEPS}
        value={step}
        aria-valuetext={now ? "now" : when(at)}
        onChange={(event) => {
          moved.current = true;
          setStep(Number(event.target.value));
        }}
      />
      <div className="ends">
        <span>{when(since)}</span>
        <button
          type="button"
          disabled={now}
          onClick={() => {
            moved.current = true;
            setStep(STEPS);
          }}
        >
          {now ? "now" : "Back to now"}
        </button>
      </div>
    </>
  );
}

/** Says that the page shows the past, and leads back. */
export function PastBanner() {
  const [asOf, setAsOf] = useAsOf();
  if (!asOf) return null;
  const { after, said } = momentSaid(asOf);
  return (
    <div className="past" role="status">
      <Icon name="clock" />
      <span>
        This is the workspace as it was {after ? "after" : "on"} <b>{said}</b>. Nothing can be changed here.
      </span>
      <button type="button" className="button small" onClick={() => setAsOf(undefined)}>
        Back to now
      </button>
    </div>
  );
}

/** Says in place of a page that the moment in its address cannot be shown, and leads back. */
export function NoMoment() {
  const found = useFault();
  useTitle("No such moment");
  const [, setAsOf] = useAsOf();
  if (!found) return null;
  return (
    <div className="page">
      {found.fault === "ahead" ? (
        <>
          <h1>This moment has not come yet</h1>
          <p>Nobody knows what the workspace will be like on {when(found.moment)}.</p>
        </>
      ) : (
        <>
          <h1>There is no such moment</h1>
          <p className="given">
            The address asks for the past as of “{found.moment}”, which is neither a date nor a time.
          </p>
        </>
      )}
      <p className="drop-buttons">
        <button type="button" className="button primary" onClick={() => setAsOf(undefined)}>
          Back to now
        </button>
      </p>
    </div>
  );
}
