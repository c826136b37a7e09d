/**
 * Tables that older programs stored beside the parameters, and that are made anew from config.json: rotary frequencies, causal
 * masks, positions. transformers reads none of them either.
 */
const BUFFER =
  /(^|\.)(rotary_emb\.(inv_freq|cos_cached|sin_cached)|((self_)?attn|attention)\.(bias|masked_bias)|position_ids)$/;

export const isBuffer = (tensor: string): boolean => BUFFER.test(tensor);
