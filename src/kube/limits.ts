/** How large things may be that callers and the API server must agree on. */

/** kube-apiserver's limit of a request's body; an object that is stored may have half of it. */
export const REQUEST_BODY_BYTES_MAX = 3 * 1024 * 1024;
