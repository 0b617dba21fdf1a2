// The shapes of docs/app_api.md.

export interface Settings {
  system?: string | null;
  temperature?: number | null;
  top_p?: number | null;
  top_k?: number | null;
  min_p?: number | null;
  max_tokens?: number | null;
  think_budget?: number | null;
  thinking?: boolean | null;
  seed?: number | null;
  samples?: number | null;
  verify?: 'majority' | 'math' | null;
}

export interface Usage {
  prompt_tokens: number;
  cached_tokens: number;
  completion_tokens: number;
  reasoning_tokens: number;
}

export interface Timings {
  first_token_s: number | null;
  thought_s: number | null;
  total_s: number | null;
  tokens_per_second: number | null;
}

export interface VoteAnswer {
  answer: string | null;
  count: number;
  share: number;
  samples: number[];
}

export interface VoteSample {
  answer: string | null;
  thought: string | null;
  content: string;
  finish_reason: string | null;
  tokens: number;
}

export interface Vote {
  answers: VoteAnswer[];
  winner: string | number | null;
  samples: VoteSample[];
}

export interface Message {
  id: string;
  parent: string | null;
  role: 'user' | 'assistant';
  content: string;
  reasoning_content: string | null;
  model: string | null;
  created: number;
  status: 'done' | 'streaming' | 'stopped' | 'failed';
  finish_reason: string | null;
  notice: string | null;
  usage: Usage | null;
  timings: Timings | null;
  turn: string | null;
  vote: Vote | null;
}

export interface ConversationSummary {
  id: string;
  title: string;
  model: string | null;
  created: number;
  updated: number;
  snippet?: string | null;
}

export interface Conversation extends ConversationSummary {
  settings: Settings | null;
  leaf: string | null;
  messages: Message[];
}

export interface Model {
  id: string;
  family: string;
  parameters: number;
  file_bytes: number;
  memory_bytes: number;
  context: number;
  fits: boolean;
  loaded: boolean;
  tokens_per_second: number | null;
  thinking: 'always' | 'optional' | 'none';
  source: 'models' | 'run';
  run?: string | null;
  step?: number | null;
}

export interface Status {
  version: string;
  key_required: boolean;
  default_model: string | null;
  encrypted: boolean;
  locked: boolean;
  limits: {max_message_bytes?: number; max_samples?: number};
  machine: {cpu: string; cores: number; memory_bytes: number; code_path: string};
  sandbox: {network: string; files: string};
  runs: boolean;
}

export interface TurnStarted {
  turn: string;
  conversation: string | null;
  user_message: string | null;
  assistant_message: string | null;
}

export type TurnEvent =
    | {type: 'start'; prompt_tokens: number; cached_tokens: number}
    | {type: 'delta'; sample: number; thought?: string; answer?: string; thought_tokens: number; tokens: number}
    | {type: 'progress'; state: 'queued' | 'loading' | 'prompt'; done?: number; total?: number}
    | ({type: 'vote'} & Vote)
    | {type: 'done'; message: Message}
    | {type: 'error'; error: {message: string; type?: string; code?: string | number | null}};
