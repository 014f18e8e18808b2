import { Component, lazy, type ReactNode, Suspense, useEffect, useRef } from "react";
import { Navigate, Route, Routes, useLocation } from "react-router";
import { useLiveState } from "./api/live";
import { useSession } from "./api/session";
import { pageOf } from "./lib/pages";
import { useTitle } from "./lib/title";
import { Home } from "./pages/home/home";
import { useFocus } from "./shell/focus";
import { Shell } from "./shell/shell";
import { Failure, Skeleton, unloaded } from "./ui/card";
import { Link } from "./ui/link";

const LogIn = lazy(() => import("./pages/account/log-in"));
const Register = lazy(() => import("./pages/account/register"));
const Datasets = lazy(() => import("./pages/datasets/list"));
const Dataset = lazy(() => import("./pages/datasets/dataset"));
const Query = lazy(() => import("./pages/query/query"));
const Charts = lazy(() => import("./pages/charts/list"));
const ChartPage = lazy(() => import("./pages/charts/chart"));
const Contexts = lazy(() => import("./pages/contexts/list"));
const ContextPage = lazy(() => import("./pages/contexts/context"));
const ActivityPage = lazy(() => import("./pages/activity/activity"));
const Settings = lazy(() => import("./pages/settings/settings"));
const Operations = lazy(() => import("./pages/operations/operations"));

/** A page that broke says so in its own place: the rest goes on. */
class Guard extends Component<{ at: string; children: ReactNode }, { error: unknown }> {
  override state = { error: undefined as unknown };

  static getDerivedStateFromError(error: unknown) {
    return { error };
  }

  // Another part of the page may be whole.
  override componentDidUpdate(before: { at: string }) {
    if (before.at !== this.props.at && this.state.error !== undefined) this.setState({ error: undefined });
  }

  override render() {
    if (this.state.error === undefined) return this.props.children;
    return <Broken error={this.state.error} />;
  }
}

function Broken({ error }: { error: unknown }) {
  const state = useLiveState();
  const cut = useRef(false);
  const missing = unloaded(error);
  // From the beginning: a part of the pages that could not be loaded once is not asked for again otherwise.
  const again = () => window.location.reload();
  useEffect(() => {
    if (state === "reconnecting" || state === "offline") cut.current = true;
    if (state === "live" && cut.current && missing) again();
  }, [state, missing]);
  return <Failure error={error} retry={again} />;
}

/** The pages, by address. */
export function App() {
  const session = useSession();
  const location = useLocation();
  useFocus(session?.workspace);
  const here = `${location.pathname}${location.search}`;
  if (!session)
    return (
      <Suspense>
        <Routes>
          <Route path="/log-in" element={<LogIn />} />
          <Route path="/register" element={<Register />} />
          <Route path="/" element={<Navigate to="/register" replace />} />
          <Route path="*" element={<Navigate to={`/log-in?next=${encodeURIComponent(here)}`} replace />} />
        </Routes>
      </Suspense>
    );
  const next = new URLSearchParams(location.search).get("next");
  // Only an address within these pages: anything else would lead people away after they have logged in.
  const onward = next?.startsWith("/") && !next.startsWith("//") && !next.startsWith("/\\") ? next : "/";
  return (
    <Shell key={session.workspace}>
      <Guard key={pageOf(location.pathname)} at={location.pathname}>
        <Suspense fallback={<Skeleton lines={8} height={28} />}>
          <Routes>
            <Route path="/" element={<Home />} />
            <Route path="/datasets" element={<Datasets />} />
            <Route path="/datasets/:id" element={<Dataset />} />
            <Route path="/query" element={<Query />} />
            <Route path="/queries/:id" element={<Query />} />
            <Route path="/charts" element={<Charts />} />
            <Route path="/charts/new" element={<ChartPage />} />
            <Route path="/charts/:id" element={<ChartPage />} />
            <Route path="/contexts" element={<Contexts />} />
            <Route path="/contexts/new" element={<ContextPage />} />
            <Route path="/contexts/:id" element={<ContextPage />} />
            <Route path="/activity" element={<ActivityPage />} />
            <Route path="/settings/:part?" element={<Settings />} />
            <Route path="/operations" element={<Operations />} />
            <Route path="/log-in" element={<Navigate to={onward} replace />} />
            <Route path="/register" element={<Navigate to={onward} replace />} />
            <Route path="*" element={<NotFound />} />
          </Routes>
        </Suspense>
      </Guard>
    </Shell>
  );
}

function NotFound() {
  useTitle("There is nothing here");
  return (
    <div className="page">
      <h1>There is nothing here</h1>
      <p>The address may be mistyped, or what it led to was deleted.</p>
      <p className="drop-buttons">
        <Link className="button" to="/">
          Go to Home
        </Link>
      </p>
    </div>
  );
}
