import { Link, useLocation } from "react-router";
import { api, unwrap } from "../../api/client";
import { grant } from "../../api/session";
import { Form } from "./form";

export default function Register() {
  const { search } = useLocation();
  return (
    <Form
      title="Make an account"
      intro="A workspace of your own comes with it. Upload files, join and query them, and see at any time who changed what."
      fields={[
        { name: "name", label: "Name", autoComplete: "name", optional: true },
        { name: "email", label: "E-mail address", type: "email", autoComplete: "username" },
        {
          name: "password",
          label: "Password",
          type: "password",
          autoComplete: "new-password",
          minLength: 10,
          hint: "At least 10 characters. A few words make a good one.",
        },
      ]}
      submit="Make an account"
      send={async ({ email = "", password = "", name = "" }) =>
        grant(await unwrap(api.POST("/api/v1/auth/register", { body: { email, password, name: name || null } })))
      }
    >
      Have an account? <Link to={{ pathname: "/log-in", search }}>Log in</Link>
    </Form>
  );
}
