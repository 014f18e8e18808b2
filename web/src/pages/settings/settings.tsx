import { useNavigate, useParams } from "react-router";
import { useSession } from "../../api/session";
import { useTitle } from "../../lib/title";
import "../../styles/datasets.css";
import "../../styles/settings.css";
import { Card } from "../../ui/card";
import { Tabs } from "../../ui/tabs";
import { Keys } from "./keys";
import { Members } from "./members";
import { Model } from "./model";
import { Webhooks } from "./webhooks";
import { Workspaces } from "./workspaces";

const PARTS = ["Profile", "Workspaces", "Members", "API keys", "Webhooks", "Model"] as const;
const slug = (part: string) => part.toLowerCase().replace(" ", "-");

/** What one can set, for oneself and for the workspace. */
export default function Settings() {
  const { part } = useParams();
  const navigate = useNavigate();
  const current = PARTS.find((each) => slug(each) === part) ?? "Profile";
  useTitle(`${current} · Settings`);
  return (
    <div className="page">
      <h1>Settings</h1>
      <Tabs label="Settings" tabs={PARTS} current={current} onChange={(next) => navigate(`/settings/${slug(next)}`)}>
        <div className="stack">
          {current === "Profile" && <Profile />}
          {current === "Workspaces" && <Workspaces />}
          {current === "Members" && <Members />}
          {current === "API keys" && <Keys />}
          {current === "Webhooks" && <Webhooks />}
          {current === "Model" && <Model />}
        </div>
      </Tabs>
    </div>
  );
}

function Profile() {
  const session = useSession();
  return (
    <Card title="You">
      <dl className="receipt">
        <dt>Name</dt>
        <dd>{session?.user.name}</dd>
        <dt>E-mail</dt>
        <dd>{session?.user.email}</dd>
        <dt>User id</dt>
        <dd>
          <code>{session?.user.id}</code>
        </dd>
        <dt>Workspace id</dt>
        <dd>
          <code>{session?.workspace}</code>
        </dd>
      </dl>
      <p className="quiet">The theme is chosen in the menu with your name.</p>
    </Card>
  );
}
