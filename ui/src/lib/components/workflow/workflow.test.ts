/** Items and dialogs of workflows, as somebody with a keyboard meets them. */
import '@testing-library/jest-dom/vitest';
import { cleanup, fireEvent, render, screen } from '@testing-library/svelte';
import { afterEach, expect, test, vi } from 'vitest';
import type { WorkflowActivityEvent } from '$types/activity';
import type { AgentSummary } from '$types/api';
import type { Workflow } from '$types/workflow';
import ActivityItem from './ActivityItem.svelte';
import ConfirmDeleteModal from './ConfirmDeleteModal.svelte';
import MetricsBar from './MetricsBar.svelte';
import NewWorkflowModal from './NewWorkflowModal.svelte';
import TokenDisplay from './TokenDisplay.svelte';
import WorkflowItem from './WorkflowItem.svelte';
import WorkflowItemCompact from './WorkflowItemCompact.svelte';
import WorkflowList from './WorkflowList.svelte';

afterEach(cleanup);

const WORKFLOW: Workflow = {
  id: 'w1',
  name: 'Weekly report',
  agent_id: 'surveyor',
  status: 'completed',
  created_at: '2026-01-01T00:00:00Z',
  updated_at: '2026-01-01T00:00:00Z',
  completed_at: null,
  total_tokens_input: 10,
  total_tokens_output: 2,
  total_cost_usd: 0.21,
  model_id: null,
  current_context_tokens: 0,
};

function agent(id: string, problems: string[] = []): AgentSummary {
  return {
    id,
    name: id,
    description: `About ${id}`,
    lifecycle: 'permanent',
    provider: 'offline',
    model: 'reader',
    tools_count: 0,
    mcp_servers_count: 0,
    origin: 'stored',
    where: '',
    changeable: true,
    problems,
  };
}

function item() {
  const given = { onselect: vi.fn(), ondelete: vi.fn(), onrename: vi.fn() };
  render(WorkflowItem, { workflow: WORKFLOW, active: false, waiting: 2, ...given });
  return given;
}

test('an item leads to its workflow, and tells its figures and what waits', async () => {
  const { onselect } = item();
  const link = screen.getByRole('link', { name: /Weekly report/ });
  expect(link.getAttribute('href')).toMatch(/workflows\/w1$/);
  expect(link.textContent).toContain('$0.210');
  expect(link.textContent).toContain('2 decisions wait');
  await fireEvent.click(link, { ctrlKey: true });
  expect(onselect).not.toHaveBeenCalled();
  await fireEvent.click(link);
  expect(onselect).toHaveBeenCalledWith(WORKFLOW);
});

test('a double click renames in place: Enter keeps the name, Escape and an empty one do not', async () => {
  const { onrename } = item();
  const begin = async () => {
    await fireEvent.dblClick(screen.getByRole('link'));
    return screen.getByRole('textbox', { name: 'New name of “Weekly report”' });
  };
  let field = await begin();
  await fireEvent.input(field, { target: { value: 'Another' } });
  await fireEvent.keyDown(field, { key: 'Escape' });
  expect(onrename).not.toHaveBeenCalled();
  field = await begin();
  await fireEvent.input(field, { target: { value: '   ' } });
  await fireEvent.keyDown(field, { key: 'Enter' });
  expect(onrename).not.toHaveBeenCalled();
  await fireEvent.input(field, { target: { value: '  Another ' } });
  await fireEvent.keyDown(field, { key: 'Enter' });
  expect(onrename).toHaveBeenCalledExactlyOnceWith(WORKFLOW, 'Another');
});

test('its buttons rename and delete', async () => {
  const { ondelete } = item();
  await fireEvent.click(screen.getByRole('button', { name: 'Delete “Weekly report”' }));
  expect(ondelete).toHaveBeenCalledWith(WORKFLOW);
  await fireEvent.click(screen.getByRole('button', { name: 'Rename “Weekly report”' }));
  expect(screen.getByRole('textbox')).toHaveValue('Weekly report');
});

test('a compact item says what it stands for', async () => {
  const onselect = vi.fn();
  render(WorkflowItemCompact, { workflow: WORKFLOW, active: true, onselect });
  const link = screen.getByRole('link', { name: 'Weekly report · Completed' });
  expect(link).toHaveAttribute('aria-current', 'page');
  await fireEvent.click(link);
  expect(onselect).toHaveBeenCalledWith(WORKFLOW);
});

test('keys of the list move, rename and ask to delete', async () => {
  const second = { ...WORKFLOW, id: 'w2', name: 'Second' };
  const given = { onselect: vi.fn(), ondelete: vi.fn(), onrename: vi.fn() };
  const workflows = [WORKFLOW, second];
  render(WorkflowList, { workflows, selectedId: 'w1', collapsed: false, ...given });
  const [first, next] = screen.getAllByRole('link');
  expect([first?.tabIndex, next?.tabIndex]).toEqual([0, -1]);
  first?.focus();
  await fireEvent.keyDown(document.activeElement ?? document.body, { key: 'ArrowDown' });
  await vi.waitFor(() => expect(document.activeElement).toBe(next));
  expect(next?.tabIndex).toBe(0);
  await fireEvent.keyDown(document.activeElement ?? document.body, { key: 'Delete' });
  expect(given.ondelete).toHaveBeenCalledWith(second);
  await fireEvent.keyDown(document.activeElement ?? document.body, { key: 'F2' });
  expect(screen.getByRole('textbox', { name: 'New name of “Second”' })).toBeVisible();
});

test('a new workflow has a suggested name and an agent that can be used', async () => {
  const oncreate = vi.fn();
  const agents = [agent('broken', ['no key']), agent('reader'), agent('surveyor')];
  render(NewWorkflowModal, { open: true, agents, selectedAgentId: null, oncreate, onclose: vi.fn() });
  const name = screen.getByRole('textbox', { name: /Name/ });
  expect(name).toHaveValue('Talk with surveyor');
  expect(screen.getByRole('radio', { name: /broken/ })).toBeDisabled();
  await fireEvent.click(screen.getByRole('radio', { name: /^reader/ }));
  expect(name).toHaveValue('Talk with reader');
  await fireEvent.input(name, { target: { value: '' } });
  await fireEvent.submit(name.closest('form') ?? name);
  expect(screen.getByText('A name is needed.')).toBeVisible();
  expect(oncreate).not.toHaveBeenCalled();
  await fireEvent.input(name, { target: { value: ' Mine ' } });
  await fireEvent.submit(name.closest('form') ?? name);
  expect(oncreate).toHaveBeenCalledExactlyOnceWith('Mine', 'reader');
});

test('what the server says against a new workflow is shown where it was asked', async () => {
  const oncreate = vi.fn().mockRejectedValue(new Error('the disk is full'));
  const given = { open: true, agents: [agent('reader')], selectedAgentId: 'reader', onclose: vi.fn() };
  render(NewWorkflowModal, { ...given, oncreate });
  const name = screen.getByRole('textbox', { name: /Name/ });
  await fireEvent.submit(name.closest('form') ?? name);
  expect(await screen.findByText('the disk is full')).toBeVisible();
  expect(screen.getByRole('button', { name: 'Create' })).toBeEnabled();
});

test('deleting names the workflow and says that it runs', async () => {
  const [onconfirm, oncancel] = [vi.fn(), vi.fn()];
  render(ConfirmDeleteModal, { open: true, workflowName: 'Mine', running: true, onconfirm, oncancel });
  expect(screen.getByText(/“Mine” and all/)).toBeVisible();
  expect(screen.getByText(/It is running/)).toBeVisible();
  await fireEvent.click(screen.getByRole('button', { name: 'Cancel' }));
  expect(oncancel).toHaveBeenCalled();
  await fireEvent.click(screen.getByRole('button', { name: 'Delete' }));
  expect(onconfirm).toHaveBeenCalled();
});

test('an activity says all when it is chosen, and leads to the other views', async () => {
  const activity: WorkflowActivityEvent = {
    id: 'a',
    timestamp: 0,
    type: 'tool_error',
    title: 'http.get',
    description: 'HTTP 503',
    status: 'error',
    duration: 360,
    metadata: { path: 'flow/http.get', run_id: 'r', attempt: 2 },
  };
  const onselect = vi.fn();
  const { rerender } = render(ActivityItem, { activity, since: 560, onselect });
  const button = screen.getByRole('button', { name: 'http.get, tool call, Error, 360 ms' });
  expect(button.textContent).toContain('HTTP 503 · attempt 2 · 360 ms');
  expect(button.textContent).toContain('+560 ms');
  await fireEvent.click(button);
  expect(onselect).toHaveBeenCalledWith(activity);
  await rerender({ activity, open: true });
  const link = screen.getByRole('link', { name: 'Timeline' });
  expect(link.getAttribute('href')).toContain('tab=timeline&span=flow%2Fhttp.get');
});

test('tokens tell how full the context is in words, and an unknown price is unknown', async () => {
  const data = {
    tokens_input: 1842,
    tokens_output: 612,
    cumulative_input: 2000,
    cumulative_output: 700,
    context_max: 2000,
    context_used: 1900,
    cost_usd: null,
    cumulative_cost_usd: 0,
    speed_tks: 46,
    is_streaming: true,
  };
  const { rerender } = render(TokenDisplay, { data, compact: false });
  expect(screen.getByRole('meter', { name: 'Context' })).toHaveAttribute('aria-valuenow', '95');
  expect(screen.getByText('95 % of 2k · nearly full')).toBeVisible();
  expect(screen.getByText('unknown')).toBeVisible();
  expect(screen.getByText('free')).toBeVisible();
  expect(screen.getByText('46 tok/s')).toBeVisible();
  await rerender({ data: { ...data, context_max: null, is_streaming: false }, compact: true });
  expect(screen.queryByRole('meter')).toBeNull();
  expect(screen.getByText('1,900 tokens')).toBeVisible();
  expect(screen.queryByText('46 tok/s')).toBeNull();
});

test('without a run there are no figures', () => {
  render(MetricsBar);
  expect(screen.queryByText('elapsed')).toBeNull();
});
