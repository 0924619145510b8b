"""What people look at in a browser: reports of one file, and the pages of a server.

Needs the extra `controller`.

rendering     templates become text: everything is escaped, nothing of others can be markup
pictures      counts and times become shapes: pure
campaigns     a campaign with all that is shown of it
fleet         all campaigns together, and the pages and the report of them
plan_report   a plan as one file
apidocs       an OpenAPI document as a page

No page needs JavaScript, or anything from elsewhere.
"""
