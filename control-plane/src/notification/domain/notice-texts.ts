/** Texts of notices filled in: the built-in templates, and those that the files of alertmanager.yml add or replace. */
import { escapeHtml } from "../../kernel/template/builtins.js";
import { TemplateError } from "../../kernel/template/template-error.js";
import { TemplateSet } from "../../kernel/template/template-set.js";
import type { Instant } from "../../kernel/time.js";
import { DEFAULT_TEMPLATES } from "./default-templates.js";
import { type NoticeData, templateValue } from "./notice-data.js";
import { NOTICE_FUNCTIONS } from "./template-functions.js";

/** Most characters that one text of a notice may have. */
const OUTPUT_MAX = 1_000_000;

/** A notice's texts, filled in one by one. Each throws TemplateError. */
export interface Filler {
  text(template: string): string;
  /** What is filled in is escaped for HTML. */
  html(template: string): string;
}

export class NoticeTexts {
  readonly #templates: TemplateSet;
  readonly externalUrl: string;

  constructor(templates: TemplateSet, externalUrl: string) {
    this.#templates = templates;
    this.externalUrl = externalUrl;
  }

  filler(data: NoticeData, now: Instant): Filler {
    const value = templateValue(data, this.externalUrl);
    const options = { now, outputMax: OUTPUT_MAX };
    return {
      text: (template) => this.#templates.fill(template, value, options),
      html: (template) => this.#templates.fill(template, value, { ...options, escape: escapeHtml }),
    };
  }
}

export interface TemplateFile {
  readonly path: string;
  readonly text: string;
}

/** The files' templates over the built-in ones, or what is wrong with them. */
export function readTexts(
  files: readonly TemplateFile[],
  externalUrl: string,
): { readonly value: NoticeTexts } | { readonly faults: readonly string[] } {
  const templates = new TemplateSet(NOTICE_FUNCTIONS);
  templates.define(DEFAULT_TEMPLATES);
  const faults: string[] = [];
  for (const { path, text } of files) {
    try {
      templates.define(text);
    } catch (error) {
      if (!(error instanceof TemplateError)) throw error;
      faults.push(`${path}: template: ${error.message}`);
    }
  }
  return faults.length > 0 ? { faults } : { value: new NoticeTexts(templates, externalUrl) };
}
