/**
 * The templates that are there without any file. Their names and what they give are Alertmanager's, so that files that
 * build on them, or take the place of one of them, go on working.
 */
export const DEFAULT_TEMPLATES = `
{{ define "__alertmanager" }}Alertmanager{{ end }}
{{ define "__alertmanagerURL" }}{{ print .ExternalURL "/#/alerts?receiver=" (urlquery .Receiver) }}{{ end }}

{{ define "__subject" -}}
[{{ toUpper .Status }}{{ if eq .Status "firing" }}:{{ len .Alerts.Firing }}{{ end }}]
{{- print " " (join " " .GroupLabels.SortedPairs.Values) " " }}
{{- if lt (len .GroupLabels) (len .CommonLabels) }}
{{- printf "(%s)" (join " " (.CommonLabels.Remove .GroupLabels.Names).Values) }}
{{- end }}
{{- end }}
{{ define "__description" }}{{ end }}

{{ define "__text_alert_list" }}{{ range $alert := . -}}
Labels:
{{ range $alert.Labels.SortedPairs }} - {{ printf "%s = %s" .Name .Value }}
{{ end }}Annotations:
{{ range $alert.Annotations.SortedPairs }} - {{ printf "%s = %s" .Name .Value }}
{{ end }}Source: {{ $alert.GeneratorURL }}
{{ end }}{{ end }}

{{ define "slack.default.title" }}{{ template "__subject" . }}{{ end }}
{{ define "slack.default.titlelink" }}{{ template "__alertmanagerURL" . }}{{ end }}
{{ define "slack.default.fallback" }}{{ template "slack.default.title" . }} | {{ template "slack.default.titlelink" . }}{{ end }}
{{ define "slack.default.username" }}{{ template "__alertmanager" . }}{{ end }}
{{ define "slack.default.callbackid" }}{{ end }}
{{ define "slack.default.pretext" }}{{ end }}
{{ define "slack.default.iconemoji" }}{{ end }}
{{ define "slack.default.iconurl" }}{{ end }}
{{ define "slack.default.text" }}{{ end }}
{{ define "slack.default.footer" }}{{ end }}

{{ define "pagerduty.default.description" }}{{ template "__subject" . }}{{ end }}
{{ define "pagerduty.default.client" }}{{ template "__alertmanager" . }}{{ end }}
{{ define "pagerduty.default.clientURL" }}{{ template "__alertmanagerURL" . }}{{ end }}
{{ define "pagerduty.default.instances" }}{{ template "__text_alert_list" . }}{{ end }}

{{ define "email.default.subject" }}{{ template "__subject" . }}{{ end }}
{{ define "__email_alerts" }}{{ range . }}<li>
<p>{{ range .Labels.SortedPairs }}<b>{{ .Name }}</b> = {{ .Value }}<br>
{{ end }}</p>
<p>{{ range .Annotations.SortedPairs }}{{ .Name }}: {{ .Value }}<br>
{{ end }}</p>
<p>since {{ .StartsAt.Format "2006-01-02 15:04:05 MST" }}{{ if eq .Status "resolved" }}, over since {{ .EndsAt.Format "2006-01-02 15:04:05 MST" }}{{ end }}
{{- with .GeneratorURL }} · <a href="{{ . }}">source</a>{{ end }}</p>
</li>
{{ end }}{{ end }}
{{ define "email.default.html" -}}
<!DOCTYPE html>
<html>
<head><meta charset="utf-8"><title>{{ template "__subject" . }}</title></head>
<body style="font-family: sans-serif">
<h2 style="color: {{ if eq .Status "firing" }}#b3261e{{ else }}#1b7f3b{{ end }}">{{ template "__subject" . }}</h2>
{{ with .Alerts.Firing }}<h3>Firing: {{ len . }}</h3><ul>{{ template "__email_alerts" . }}</ul>{{ end }}
{{ with .Alerts.Resolved }}<h3>Resolved: {{ len . }}</h3><ul>{{ template "__email_alerts" . }}</ul>{{ end }}
<p><a href="{{ template "__alertmanagerURL" . }}">All alerts of this receiver</a></p>
</body>
</html>
{{ end }}
`;
