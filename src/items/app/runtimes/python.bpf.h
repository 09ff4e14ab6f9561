/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * python - calls of Python 3.11, whose probe of entries is silent.
 *
 * CPython 3.11 tells function__entry only where a debugger or profiler has switched tracing on (it moved into DO_TRACING of
 * ceval.c) and for a few frames at its start, so who listens to it sees next to none; the user half leaves it alone.
 * function__return still comes for each call, however it ends. At that point the
 * interpreter's frame is known, and its callers' frames by their pointers: all that began before and was not told yet is told
 * then, the outermost first, and the one that returns last. So arrows are complete and in order, though an entry is told no
 * earlier than the first return below it.
 *
 * Where a frame keeps what is CPython's own matter (pycore_frame.h of 3.11). Whether the register that should hold the frame
 * does is checked each time: its code's name must be the very text that the probe hands over; if not, only the return is
 * told. Other versions, whose probe of entries speaks, need none of this.
 */
#pragma once

enum { PYTHON_FRAMES = 32, PYTHON_UP = 16 };

/* struct _PyInterpreterFrame, PyCodeObject, PyASCIIObject of 3.11 */
enum {
	FRAME_CODE = 32,
	FRAME_PREVIOUS = 48,
	CODE_FILE = 0x70,
	CODE_NAME = 0x78,
	UNICODE_STATE = 32,
	UNICODE_TEXT = 48
};
enum { UNICODE_COMPACT_ASCII = 1 << 5 | 1 << 6 };

/* The calls of a thread that were told and have not returned. */
struct python_stack {
	__u64 frame[PYTHON_FRAMES];
	__u64 count;
	__u64 has_entries; /* the probe of entries speaks here */
};

PER_THREAD(python_stacks, struct python_stack, 4096);

static __always_inline __u64 read_pointer(__u64 at)
{
	__u64 value = 0;

	if (!at || bpf_probe_read_user(&value, sizeof(value), (void *)at))
		return 0;
	return value;
}

/* A text of Python's, if it is of the plain kind that nearly all names are. */
static __always_inline __u64 text_of_unicode(__u64 unicode)
{
	__u32 state = 0;

	if (!unicode ||
	    bpf_probe_read_user(&state, sizeof(state), (void *)(unicode + UNICODE_STATE)) ||
	    (state & UNICODE_COMPACT_ASCII) != UNICODE_COMPACT_ASCII)
		return 0;
	return unicode + UNICODE_TEXT;
}

/* The frame that returns; 0 = it is not where it should be. */
static __always_inline __u64 python_frame(struct pt_regs *ctx, __u64 name)
{
	__u64 frame = ARCH_USER_SAVED(ctx), code = read_pointer(frame + FRAME_CODE);

	return code && text_of_unicode(read_pointer(code + CODE_NAME)) == name ? frame : 0;
}

static __always_inline void python_read_names(struct call *call, __u64 frame)
{
	__u64 code = read_pointer(frame + FRAME_CODE);

	__builtin_memset(call->key.class_name, 0, FLOW_TEXT);
	__builtin_memset(call->key.method, 0, FLOW_TEXT);
	read_text(call->key.class_name, text_of_unicode(read_pointer(code + CODE_FILE)));
	read_text(call->key.method, text_of_unicode(read_pointer(code + CODE_NAME)));
}

/* How many frames from `frame` upwards were not told; their addresses in `up`. */
static __always_inline __u32 python_untold(struct python_stack *stack, __u64 frame,
					   __u64 up[PYTHON_UP])
{
	__u64 top = stack->count ? stack->frame[(stack->count - 1) & (PYTHON_FRAMES - 1)] : 0;
	__u32 count = 0;

	for (int i = 0; i < PYTHON_UP; i++) {
		if (!frame || frame == top)
			return count;
		up[i] = frame;
		count++;
		frame = read_pointer(frame + FRAME_PREVIOUS);
	}
	return count;
}

/* All that was not told is entered; then the frame returns. */
static __always_inline void python_tell(struct call *call, __u64 frame)
{
	static const struct python_stack none;
	__u32 tid = (__u32)bpf_get_current_pid_tgid(), untold;
	struct python_stack *stack = map_get_or_add(&python_stacks, &tid, &none);
	__u64 up[PYTHON_UP] = {};

	if (!stack)
		return;
	if (!frame) {
		tell(call, FLOW_RETURNS, stack->count);
		return;
	}
	untold = python_untold(stack, frame, up);
	for (int i = PYTHON_UP - 1; i >= 0; i--) {
		if (i >= (int)untold)
			continue;
		python_read_names(call, up[i]);
		tell(call, FLOW_ENTERS, stack->count);
		stack->frame[stack->count & (PYTHON_FRAMES - 1)] = up[i];
		stack->count++;
	}
	if (stack->count)
		stack->count--;
	python_read_names(call, frame);
	tell(call, FLOW_RETURNS, stack->count);
}
