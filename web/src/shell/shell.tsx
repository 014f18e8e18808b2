import { useQuery } from "@tanstack/react-query";
import { type ReactNode, useCallback, useEffect, useState } from "react";
import { useLocation } from "react-router";
import { live } from "../api/live";
import { useWorkspaceNames } from "../api/names";
import { me, queryClient, readAgain, staleness } from "../api/queries";
import { useSession } from "../api/session";
import { hasPast, useAsOf, useFault } from "../lib/as-of";
import { useKeys } from "../lib/keys";
import { Icon, type IconName } from "../ui/icon";
import { Link, NavLink, useGo } from "../ui/link";
import { Account } from "./account";
import { LiveBadge } from "./live-badge";
import { NoMoment, PastBanner, TimeTravel } from "./time-travel";

const PLACES: { to: string; name: string; icon: IconName }[] = [
  { to: "/", name: "Home", icon: "home" },
  { to: "/datasets", name: "Datasets", icon: "data" },
  { to: "/query", name: "Query", icon: "query" },
  { to: "/charts", name: "Charts", icon: "chart" },
  { to: "/contexts", name: "Contexts", icon: "context" },
  { to: "/activity", name: "Activity", icon: "activity" },
  { to: "/settings", name: "Settings", icon: "settings" },
  { to: "/operations", name: "Operations", icon: "pulse" },
];

/** What is around every page: where one can go, who one is, and whether what one sees is now. */
export function Shell({ children }: { children: ReactNode }) {
  const session = useSession();
  const workspace = session?.workspace ?? "";
  const known = useQuery(me());
  const called = useWorkspaceNames(known.data?.workspaces ?? []);
  const [asOf, setAsOf] = useAsOf();
  const fault = useFault();
  const [open, setOpen] = useState(false);
  const { pathname, search } = useLocation();

  useEffect(() => {
    const off = live.onEvent(staleness(queryClient));
    const calm = live.onState(() => live.state === "live" && readAgain(queryClient));
    live.start(workspace);
    return () => {
      off();
      calm();
      live.stop();
      // The next one to log in, or the next workspace, sees nothing of this one.
      queryClient.clear();
    };
  }, [workspace]);

  // From everywhere to the box on the home page.
  const go = useGo();
  useKeys(
    useCallback(
      (key) => {
        if (key !== "ask") return false;
        const box = document.getElementById("ask");
        if (box) box.focus();
        else go("/", { focus: "#ask:not(:disabled)" });
        return true;
      },
      [go],
    ),
  );

  // Another page closes the menu.
  useEffect(() => setOpen(false), [pathname]);

  // A page without a past leaves it: what is sent on from there is not to say otherwise.
  const moot = !hasPast(pathname) && new URLSearchParams(search).has("as_of");
  useEffect(() => {
    if (moot) setAsOf(undefined);
  }, [moot, setAsOf]);

  const here = known.data?.workspaces.find((each) => each.id === workspace);
  return (
    <div className="shell" data-past={asOf ? "" : undefined}>
      <a className="skip" href="#main">
        Skip to the content
      </a>
      <header className="top">
        <button
          type="button"
          className="icon-button only-narrow"
          aria-expanded={open}
          aria-controls="places"
          aria-label="Menu"
          onClick={() => setOpen(!open)}
        >
          <Icon name={open ? "close" : "menu"} />
        </button>
        <Link to="/" className="brand">
          <img src="/favicon.svg" alt="" width="24" height="24" />
          Weir
        </Link>
        <span className="where" title="The workspace">
          {here ? called(here) : " "}
        </span>
        <div className="top-end">
          <LiveBadge />
          <TimeTravel since={here?.created_at} />
          <Account />
        </div>
      </header>
      <nav id="places" className="side" data-open={open || undefined} aria-label="Pages">
        {PLACES.map(({ to, name, icon }) => (
          <NavLink key={to} to={to} end={to === "/"}>
            <Icon name={icon} />
            {name}
          </NavLink>
        ))}
        <a className="side-end" href="/docs/guide/">
          Documentation
        </a>
      </nav>
      <main id="main" tabIndex={-1}>
        <PastBanner />
        {fault ? <NoMoment /> : children}
      </main>
    </div>
  );
}
