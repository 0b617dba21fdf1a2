// The shapes of "Growth" in docs/app_api.md.

export interface RunStage {
  name: string;
  kind: string;
  steps: number;
}

export interface Run {
  name: string;
  status: 'running' | 'finished' | 'stopped';
  stopping: boolean;
  here: boolean;
  message: string | null;
  stages: RunStage[];
  stage: string;
  step: number;
  total_step: number;
  steps: number;
  updated: number;
  last: Record<string, number>;
  checkpoints: string[];
}

export interface RunDetails extends Run {
  recipe?: unknown;
  task?: Record<string, unknown> | null;
  provenance?: Record<string, unknown> | null;
  metrics?: number;
  rewound?: number;
  skipped?: string[];
}

export type MetricLine = Record<string, unknown>;

export interface SampledStep {
  stage: string;
  step: number;
  total_step: number;
  groups: number;
}

export interface Sample {
  text: string;
  thought: string;
  answer: string;
  extracted: string;
  rewards: Record<string, number>;
  reward: number;
  why: string;
  advantage: number;
  tokens: number;
  truncated: boolean;
  trained: boolean;
  token_texts: string[] | null;
  token_logprobs: number[] | null;
}

export interface Group {
  problem: string;
  prompt: string;
  trained: boolean;
  samples: Sample[];
}

export interface Problem {
  index: number;
  id: string;
  prompt: string;
  system: string | null;
  answer: string | null;
  count: number;
}

export interface AnswerToken {
  text: string;
  logprob: number;
  thought: boolean;
}

export interface Answer {
  checkpoint: string;
  index: number;
  text: string;
  thought: string;
  answer: string;
  extracted: string;
  reward: number;
  rewards: Record<string, number>;
  correct: number;
  why: string;
  truncated: boolean;
  tokens: AnswerToken[];
}

export interface Recipe {
  name: string;
  path: string;
  about: string;
  text: string;
  tree: Record<string, unknown> | null;
  problem: string | null;
}
